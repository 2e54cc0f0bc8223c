//! Any bytes for `targets::script`, which says what must hold for them.

#![cfg_attr(fuzzing, no_main)]

siptrace_fuzz::target!(script);
