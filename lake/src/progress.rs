//! How far a command is, on a terminal.

use std::io::{self, IsTerminal};
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::steps::scan::READ;

/// How often the terminal is written to.
const TICK: Duration = Duration::from_millis(250);

/// A line on standard error, only where that is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows nothing if it is to be quiet.
    pub(crate) fn new(is_quiet: bool) -> Self {
        if is_quiet || !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let target = ProgressDrawTarget::stderr_with_hz(4);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(TICK);
        let progress = Self { bar };
        progress.style("{spinner} {msg} ({elapsed})");
        progress
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// What is being done.
    pub(crate) fn at(&self, what: &'static str) {
        self.style("{spinner} {msg} ({elapsed})");
        self.bar.set_message(what);
    }

    /// So many captures are being scanned, with so many bytes; here, or on a cluster.
    pub(crate) fn scanning(&self, captures: usize, bytes: u64, is_here: bool) {
        self.bar.set_message(format!("scanning {captures} captures"));
        if !is_here {
            return self.style("{spinner} {msg} ({elapsed})");
        }
        self.style("{spinner} {msg} {bytes} of {total_bytes}");
        self.bar.set_length(bytes);
        self.bar.set_position(0);
        let bar = self.bar.downgrade();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let Some(bar) = bar.upgrade() else { return };
                let (read, all) = (READ.load(Ordering::Relaxed), bar.length().unwrap_or(0));
                // Of compressed captures more is read than they have.
                bar.set_position(read.min(all));
                if bar.is_finished() || read >= all {
                    return;
                }
            }
        });
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
