//! Any bytes for `targets::ip`, which says what must hold for them.

#![cfg_attr(fuzzing, no_main)]

siptrace_fuzz::target!(ip);
