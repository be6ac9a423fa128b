//! The one engine of a process, for instances of any of its threads that ask for it.

use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use super::counter;
#[cfg(target_os = "linux")]
use super::system_clock::system_ns;
use crate::{
    clock::MonotonicClock,
    engine::{Engine, Handle, Limits},
};

/// Lives for as long as anybody holds a view of it.
static ENGINE: Mutex<Weak<Engine>> = Mutex::new(Weak::new());

/// A view of the process's engine, made with room for `max_routes` if there is none. Err: it has room for another number.
pub fn handle(max_routes: u32) -> Result<Handle, u32> {
    let mut weak = ENGINE.lock();
    let engine = match weak.upgrade() {
        Some(engine) if engine.max_routes() == max_routes => engine,
        Some(engine) => return Err(engine.max_routes()),
        None => {
            let engine = Engine::new(Limits::of_routes(max_routes));
            *weak = Arc::downgrade(&engine);
            engine
        }
    };
    Ok(Handle::new(engine))
}

/// The process's clock: states that threads share carry its times.
pub fn clock() -> MonotonicClock {
    static CLOCK: OnceLock<MonotonicClock> = OnceLock::new();
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    return *CLOCK.get_or_init(|| MonotonicClock::over(if counter::is_steady() { counter::now_ns } else { system_ns }));
    #[cfg(all(target_os = "linux", not(target_arch = "x86_64")))]
    return *CLOCK.get_or_init(|| MonotonicClock::over(system_ns));
    #[cfg(not(target_os = "linux"))]
    *CLOCK.get_or_init(MonotonicClock::new)
}
