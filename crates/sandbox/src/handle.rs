use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::World;
use super::faults::{Die, FaultAction};
use super::file::{FileError, Lock, Store};
use super::latency::{SimulatedTime, unpoisoned};
use super::refusal::{Answer, Refusal};
use billctl_core::error::{Error, Result};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::{
    Access, Gate, GateSettings, Kind, Operation, Result as ServiceResult, ServiceError, cloudformation,
};

/// The exit code of a process that the sandbox killed: what a shell reports after SIGKILL.
const KILLED: i32 = 137;

/// A world that several services, and several processes, share.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    gate: Arc<Gate>,
    call_as: CallAs,
    store: Option<Store>,
    /// Where the latency passes, unless it passes really.
    simulated: Option<SimulatedTime>,
    /// Decides instead of the world's faults.
    fates: Option<Box<Fates>>,
    cell: Mutex<Cell>,
}

/// What happens to a call.
type Fates = dyn Fn(Operation) -> FaultAction + Send + Sync;

struct Cell {
    world: World,
    /// Which generation of the file `world` is.
    generation: String,
    /// API calls of this process so far, retries among them.
    calls: u64,
    /// The same by operation: faults depend on it, so that parallel calls don't change who is hit how often.
    by_operation: BTreeMap<Operation, u64>,
    bucket: Option<(f64, Instant)>,
    dead: bool,
}

impl Sandbox {
    /// The sandbox kept in the file at `path`.
    ///
    /// # Errors
    /// The file is missing, damaged, or written by a newer billctl. It is never overwritten.
    pub fn open(path: impl AsRef<Path>, call_as: CallAs) -> Result<Self> {
        let store = Store::new(path.as_ref());
        let (world, generation) = store.load()?;
        Ok(Self::with(world, generation, Some(store), call_as, Gate::default()))
    }

    /// Whether the file at `path` begins as a sandbox's does.
    pub fn is_one(path: impl AsRef<Path>) -> bool {
        Store::new(path.as_ref()).generation().is_ok()
    }

    /// Makes a sandbox of `world` in the file at `path`.
    ///
    /// # Errors
    /// There is one already and `replace` is false; something there isn't a sandbox; the file can't be written.
    pub fn create(path: impl AsRef<Path>, world: World, replace: bool) -> Result<Self> {
        let store = Store::new(path.as_ref());
        let generation = store.create(&world, replace)?;
        Ok(Self::with(world, generation, Some(store), CallAs::Own, Gate::default()))
    }

    /// A sandbox without a file. Its gate pauses only for moments, so that tests with faults stay quick.
    pub fn in_memory(world: World) -> Self {
        Self::in_memory_as(world, CallAs::default())
    }

    /// A sandbox without a file whose StackSet calls carry this `CallAs`.
    pub fn in_memory_as(world: World, call_as: CallAs) -> Self {
        let gate = Gate::new(GateSettings {
            first_pause: Duration::from_micros(100),
            longest_pause: Duration::from_millis(5),
            ..GateSettings::default()
        });
        Self::with(world, String::new(), None, call_as, gate)
    }

    /// A sandbox without a file in which the world's latency passes without waiting for it: what calls would take
    /// that wait for each other, on one thread. Pauses before retries still pass really.
    pub fn in_simulated_time(world: World) -> Self {
        let mut sandbox = Self::with(world, String::new(), None, CallAs::default(), Gate::default());
        if let Some(shared) = Arc::get_mut(&mut sandbox.shared) {
            shared.simulated = Some(SimulatedTime::default());
        }
        sandbox
    }

    /// A sandbox without a file that has calls end as `fates` says, instead of by the world's faults.
    pub fn with_fates(world: World, fates: impl Fn(Operation) -> FaultAction + Send + Sync + 'static) -> Self {
        let mut sandbox = Self::in_memory(world);
        if let Some(shared) = Arc::get_mut(&mut sandbox.shared) {
            shared.fates = Some(Box::new(fates));
        }
        sandbox
    }

    /// How long the calls have taken that wait for each other; none in a sandbox whose latency passes really.
    pub fn simulated_time(&self) -> Option<Duration> {
        self.shared.simulated.as_ref().map(SimulatedTime::now)
    }

    fn with(world: World, generation: String, store: Option<Store>, call_as: CallAs, gate: Gate) -> Self {
        Self {
            shared: Arc::new(Shared {
                gate: Arc::new(gate),
                call_as,
                store,
                simulated: None,
                fates: None,
                cell: Mutex::new(Cell {
                    world,
                    generation,
                    calls: 0,
                    by_operation: BTreeMap::new(),
                    bucket: None,
                    dead: false,
                }),
            }),
        }
    }

    /// What paces, retries and counts the calls.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.shared.gate
    }

    /// As whom StackSets are called.
    pub fn call_as(&self) -> CallAs {
        self.shared.call_as
    }

    /// Makes one API call on the world: through the gate, after the world's latency, unless a fault is due.
    ///
    /// A `body` that answers an error must have left the world as it was; one of an operation that only reads
    /// must not change it, for nothing would be saved.
    ///
    /// # Errors
    /// What `body` answers, or an injected fault.
    pub(super) async fn call<T: Send>(
        &self,
        operation: Operation,
        body: impl Fn(&mut World) -> Answer<T> + Send + Sync,
    ) -> ServiceResult<T> {
        let attempt = || async {
            let (number, nth, latency) = self.begin(operation)?;
            if !latency.is_zero() {
                match &self.shared.simulated {
                    Some(time) => time.pass(latency).await,
                    None => tokio::time::sleep(latency).await,
                }
            }
            self.finish(operation, number, nth, &body)
        };
        self.shared.gate.call(operation, attempt).await
    }

    /// [`call`](Self::call) for an operation that only reads.
    ///
    /// # Errors
    /// What `body` answers, or an injected fault.
    pub(super) async fn read<T: Send>(
        &self,
        operation: Operation,
        body: impl Fn(&World) -> Answer<T> + Send + Sync,
    ) -> ServiceResult<T> {
        self.call(operation, |world| body(world)).await
    }

    /// Counts the call, and dies if this is where that is due.
    fn begin(&self, operation: Operation) -> ServiceResult<(u64, u64, Duration)> {
        let mut cell = self.lock();
        if cell.dead {
            return Err(died(operation));
        }
        self.refresh(&mut cell).map_err(|error| broken(operation, &error))?;
        cell.calls += 1;
        let nth = cell.by_operation.entry(operation).or_default();
        *nth += 1;
        let nth = *nth;
        let (at, after) = (cell.calls, false);
        if cell.world.faults.die == Some(Die { at, after }) {
            return Err(self.die(&mut cell, operation));
        }
        Ok((cell.calls, nth, cell.world.latency))
    }

    fn finish<T>(
        &self,
        operation: Operation,
        number: u64,
        nth: u64,
        body: &impl Fn(&mut World) -> Answer<T>,
    ) -> ServiceResult<T> {
        let mut cell = self.lock();
        if cell.dead {
            return Err(died(operation));
        }
        let fate = match &self.shared.fates {
            Some(fates) => fates(operation),
            None => cell.world.faults.action(operation, nth),
        };
        let answer = match fate {
            FaultAction::Refuse(error) => Err(error),
            _ if !cell.has_token(operation) => {
                Err(Refusal::new(Kind::Throttled, "Throttling", "Rate exceeded").of(operation))
            }
            FaultAction::Lose(error) => self.effect(&mut cell, operation, body).and(Err(error)),
            FaultAction::Pass => self.effect(&mut cell, operation, body),
        };
        let (at, after) = (number, true);
        if cell.world.faults.die == Some(Die { at, after }) {
            return Err(self.die(&mut cell, operation));
        }
        answer
    }

    fn effect<T>(
        &self,
        cell: &mut Cell,
        operation: Operation,
        body: &impl Fn(&mut World) -> Answer<T>,
    ) -> ServiceResult<T> {
        let answer = match operation.access {
            Access::Write => self.write(cell, body),
            Access::Read => self.refresh(cell).map(|()| body(&mut cell.world)),
        };
        answer
            .map_err(|error| broken(operation, &error))?
            .map_err(|refusal| refusal.of(operation))
    }

    /// Changes the world, and the file if there is one and `body` doesn't answer an error.
    fn write<T, E>(
        &self,
        cell: &mut Cell,
        body: impl FnOnce(&mut World) -> Result<T, E>,
    ) -> Result<Result<T, E>, FileError> {
        let Some(store) = &self.shared.store else {
            return Ok(body(&mut cell.world));
        };
        let lock = store.lock()?;
        self.refresh(cell)?;
        let answer = body(&mut cell.world);
        if answer.is_ok() {
            save(cell, store, &lock)?;
        }
        Ok(answer)
    }

    /// Looks at the world without calling an API; at the last one known if the file can't be read.
    pub fn peek<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        let mut cell = self.lock();
        let _ = self.refresh(&mut cell);
        look(&cell.world)
    }

    /// A copy of the world, such as a test compares, or goes on with after a death.
    pub fn world(&self) -> World {
        self.peek(World::clone)
    }

    /// Changes the world without calling an API: what other people, and time, do.
    ///
    /// # Errors
    /// What `change` answers (the world must be as it was then), or the file can't be read or written.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        let mut cell = self.lock();
        if cell.dead {
            return Err(Error::failed("the process died at an API call"));
        }
        self.write(&mut cell, change)?
    }

    /// Reads the file again if another process wrote it.
    fn refresh(&self, cell: &mut Cell) -> Result<(), FileError> {
        if let Some(store) = &self.shared.store
            && store.generation()? != cell.generation
        {
            (cell.world, cell.generation) = store.load()?;
        }
        Ok(())
    }

    /// Ends the process as a crash would, once: the next run is spared. Without a file only this sandbox dies.
    fn die(&self, cell: &mut Cell, operation: Operation) -> ServiceError {
        cell.world.faults.die = None;
        if let Some(store) = &self.shared.store {
            if let Ok(lock) = store.lock()
                && self.refresh(cell).is_ok()
            {
                cell.world.faults.die = None;
                let _ = store.save(&cell.world, &lock);
            }
            std::process::exit(KILLED);
        }
        cell.dead = true;
        died(operation)
    }

    fn lock(&self) -> MutexGuard<'_, Cell> {
        unpoisoned(&self.shared.cell)
    }
}

/// Puts new mails into the outbox folder, then the world into its file.
fn save(cell: &mut Cell, store: &Store, lock: &Lock) -> Result<(), FileError> {
    let flushed = cell.world.sesv2.flush(store.path());
    flushed.map_err(|error| FileError::Io(store.path().to_owned(), error))?;
    cell.generation = store.save(&cell.world, lock)?;
    Ok(())
}

impl Cell {
    /// AWS answers few `DescribeStackInstance` calls a second (docs/aws-facts.md, "StackSets: instances"): a bucket of
    /// tokens in real time.
    fn has_token(&mut self, operation: Operation) -> bool {
        if operation != cloudformation::DESCRIBE_STACK_INSTANCE {
            return true;
        }
        let Some(rate) = self.world.faults.describe_instance_rate else {
            return true;
        };
        let now = Instant::now();
        let most = rate.max(1.0);
        let (tokens, filled) = self.bucket.unwrap_or((most, now));
        let tokens = (tokens + now.duration_since(filled).as_secs_f64() * rate).min(most);
        let granted = tokens >= 1.0;
        self.bucket = Some((if granted { tokens - 1.0 } else { tokens }, now));
        granted
    }
}

/// Not transient: a process that died makes no further attempt.
fn died(operation: Operation) -> ServiceError {
    ServiceError::without_code(operation, Kind::Other, "the process died here")
}

fn broken(operation: Operation, error: &FileError) -> ServiceError {
    ServiceError::without_code(operation, Kind::Other, error.to_string())
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        let what = error.to_string();
        let remedy = match error {
            FileError::Missing(_) => "make one with `billctl sandbox new`",
            FileError::Damaged(..) => "it is left as it is; move it away and make a new one with `billctl sandbox new`",
            FileError::Newer(..) => "use that billctl, or name another file with --sandbox=FILE",
            FileError::Exists(_) => "start over with `billctl sandbox reset`, or pass --force",
            FileError::Io(..) => return Self::failed(what),
        };
        Self::failed(what).remedy(remedy)
    }
}

#[cfg(test)]
mod tests;
