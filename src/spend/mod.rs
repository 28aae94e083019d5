//! spend
