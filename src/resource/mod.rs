//! What billctl manages in the billing account: what each thing should be, and how it differs from what is there.
//! Pure: no calls, no printing.

pub mod document;
