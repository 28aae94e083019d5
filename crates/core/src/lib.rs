//! What every part of billctl knows: accounts and money, AWS behind one trait per service, errors, and events. It
//! knows nothing else.

pub mod error;
pub mod event;
pub mod model;
pub mod service;
pub mod similar;
pub mod text;
pub mod words;
