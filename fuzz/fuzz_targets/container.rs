//! Any bytes for `targets::container`, which says what must hold for them.

#![cfg_attr(fuzzing, no_main)]

siptrace_fuzz::target!(container);
