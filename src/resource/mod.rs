//! Pure: what every managed thing should be, and how what is there differs.

pub mod permissions;
pub mod stack_set;
