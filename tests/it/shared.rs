//! The captures and texts that lie beside the repository and are not part of it.

use std::path::{Path, PathBuf};

/// The folder or file `name` in the `shared` folder beside the repository; none where it is absent,
/// then the test that wants it is skipped.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("shared").join(name))
        .find(|path| path.exists())
}
