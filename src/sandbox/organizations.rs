use serde::{Deserialize, Serialize};

/// What the sandbox keeps for this service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {}
