//! `siptrace-lake report`: the incident report of some calls of a lake.
//!
//! The calls are chosen by their table. Their messages are judged again by the stored grounds, so
//! that the report has what it shows of them; what only all calls together tell is taken from what
//! the judges of the lake found.

use datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use datafusion::common::{JoinType, ScalarValue};
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::DataFrame;
use futures::TryStreamExt as _;
use siptrace::analysis::{Analysis, Keep};
use siptrace::pipeline::parts::{Grounds, Judge, Judged};

use crate::engine::Engine;
use crate::fault::Fault;
use crate::ingest::conclusion;
use crate::manifest::Manifest;
use crate::rows;
use crate::steps::odd;
use crate::store::Place;
use crate::tables::UTC;

/// Which calls the report is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// Those that were under way after this time.
    pub(crate) from: Option<i64>,
    /// Those that were under way before this time.
    pub(crate) to: Option<i64>,
    /// Those whose row fits this condition.
    pub(crate) condition: Option<String>,
}

/// A time as users write it.
///
/// # Errors
///
/// When it is none.
pub(crate) fn time(text: &str) -> Result<i64, String> {
    string_to_timestamp_nanos(text)
        .map_err(|_| "a time is written as 2026-11-22T10:15:00Z, or without the zone in UTC".into())
}

/// The analysis of the chosen calls.
///
/// # Errors
///
/// When the condition is wrong, or the lake cannot be read.
pub(crate) async fn analysis(
    engine: &Engine,
    place: &Place,
    manifest: &Manifest,
    choice: &Choice,
) -> Result<Analysis, Fault> {
    let missing = || Fault::Lake {
        lake: place.url().to_owned(),
        problem: "it has nothing that calls are judged by".to_owned(),
    };
    let name = manifest.grounds.as_deref().ok_or_else(missing)?;
    let grounds = Grounds::from_bytes(&place.read(name).await?)?.keeping(Keep::for_report());
    let calls = again(engine, manifest, &grounds, choice).await?.calls_only();
    let mut conclusion = conclusion(place, manifest, grounds).await?;
    conclusion.add(calls);
    let mut analysis = conclusion.finish();
    analysis.leave_listed();
    Ok(analysis)
}

/// Judges the messages of the chosen calls again.
async fn again(
    engine: &Engine,
    manifest: &Manifest,
    grounds: &Grounds,
    choice: &Choice,
) -> Result<Judged, Fault> {
    let chosen = chosen(engine, choice).await?.select_columns(&["call_id"])?.distinct()?;
    let chosen = chosen.with_column_renamed("call_id", "chosen")?;
    let place: &[&str] = match manifest.captures.len() > 1 {
        true => &["order_time", "capture", "frame"],
        false => &["capture", "frame"],
    };
    let order = ["call_id"].iter().chain(place).map(|name| col(*name).sort(true, true));
    let messages = engine.session().table("messages").await?;
    let messages = messages
        .select_columns(&rows::MESSAGE_COLUMNS)?
        .join(chosen, JoinType::LeftSemi, &["call_id"], &["chosen"], None)?
        .sort(order.collect())?;
    let mut batches = engine.here(messages.create_physical_plan().await?)?;
    let mut judge = Judge::new(grounds);
    while let Some(batch) = batches.try_next().await? {
        for message in rows::read_messages(&batch).map_err(|error| odd(&error))? {
            judge.push(&message);
        }
    }
    Ok(judge.finish())
}

async fn chosen(engine: &Engine, choice: &Choice) -> Result<DataFrame, Fault> {
    let mut calls = engine.session().table("calls").await?;
    let moment = |nanos| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some(UTC.into())));
    if let Some(from) = choice.from {
        calls = calls.filter(col("end").gt_eq(moment(from)))?;
    }
    if let Some(to) = choice.to {
        calls = calls.filter(col("start").lt_eq(moment(to)))?;
    }
    if let Some(condition) = &choice.condition {
        // An expression, and nothing else: this is no way to run statements.
        let condition = calls.parse_sql_expr(condition)?;
        calls = calls.filter(condition)?;
    }
    Ok(calls)
}
