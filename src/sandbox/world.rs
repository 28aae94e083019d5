use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that the sandbox knows: one serialisable value.
///
/// Each service's state is a type of its own in the file of that service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// The simulated time.
    pub now: Timestamp,
}
