//! The sandbox's clock: waiting takes no time, it moves the world's.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Sandbox;
use billctl_core::service::Clock;

#[async_trait]
impl Clock for Sandbox {
    fn now(&self) -> Timestamp {
        self.peek(|world| world.now)
    }

    async fn sleep(&self, duration: Duration) {
        // A file that can't be written is reported by the next API call, which can answer an error.
        let _ = self.change(|world| {
            world.advance(duration);
            Ok(())
        });
        // Others may have waited for this, and a Ctrl-C must get through.
        tokio::task::yield_now().await;
    }
}
