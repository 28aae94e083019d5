//! The sandbox's clock: waiting takes no time, it moves the world's.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Sandbox;
use billctl_core::service::Clock;

/// Tells the world's time.
#[derive(Clone)]
pub struct SimulatedClock {
    sandbox: Sandbox,
}

impl SimulatedClock {
    /// The clock of this sandbox's world.
    pub const fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.sandbox.peek(|world| world.now)
    }

    async fn sleep(&self, duration: Duration) {
        // A file that can't be written is reported by the next API call, which can answer an error.
        let _ = self.sandbox.change(|world| {
            world.advance(duration);
            Ok(())
        });
        // Others may have waited for this, and a Ctrl-C must get through.
        tokio::task::yield_now().await;
    }
}
