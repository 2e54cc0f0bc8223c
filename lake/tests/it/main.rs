//! The program as users run it: lakes on this machine and on clusters of real processes.

#![allow(clippy::unwrap_used)]

mod cluster;
mod embedded;
mod make;
mod run;
mod s3;
