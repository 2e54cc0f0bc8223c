//! What is wrong with a session description, as facts of the format.

use crate::sip::anomaly::{Set, anomalies};

/// What is wrong with a session description.
pub type Anomalies = Set<Anomaly>;

anomalies! {
    /// One thing that is wrong with a session description.
    Anomaly {
        /// The first line is not `v=0`.
        VersionInvalid,
        /// No `o=`.
        MissingOrigin,
        /// An `o=` that is not six words.
        OriginInvalid,
        /// No `s=`.
        MissingName,
        /// No `t=`.
        MissingTiming,
        /// A media description without `c=`, and none for the session.
        MissingConnection,
        /// A `c=` that is not three words, or whose address is neither an address nor a host.
        ConnectionInvalid,
        /// An `m=` without kind, port, protocol and format, or with a port that is none.
        MediaInvalid,
        /// More media descriptions than are looked at.
        TooManyMedia,
        /// More formats in a media description than are looked at.
        TooManyFormats,
        /// A line that is not a letter, `=` and a value.
        LineInvalid,
        /// A line that ends in LF without CR.
        BareLineFeed,
        /// The last line has no end.
        Unfinished,
    }
}
