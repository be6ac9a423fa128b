//! WebAssembly: bare exports over a frame in the module's own memory, which JavaScript sees as it is.
//!
//! One instance of the module is one engine. There is one thread, no export calls another, and the one import, a clock,
//! calls nothing; so whatever an export borrows, it borrows alone.
//!
//! Raw exports, not wasm-bindgen: numbers are all that crosses, and its glue would cost more than the engine's physics.

use std::cell::UnsafeCell;

use crate::{
    binding::{
        acquire, batch, blocks,
        frame::{self, Cells, FRAME_CELLS, ROW_CELLS, cell},
        heap::Heap,
        law, metrics,
    },
    clock::{MonotonicClock, Now},
    engine::{Evicted, Handle, Limits, Name, Slot},
    physics::tick::Override,
};

/// Rows of a batch; `scripts/write-frame.mjs` copies the number into `ts/engine/port.ts`.
const BATCH_ROWS: usize = 4096;

#[global_allocator]
static HEAP: Heap = Heap::new();

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Monotonic ms since the Unix epoch.
    fn now() -> f64;
}

fn host_ms() -> f64 {
    // SAFETY: the import takes nothing, gives a number and calls no export.
    unsafe { now() }
}

/// The rows of a batch; its first cells also carry parameters, and what peers report.
type Batch = [f64; BATCH_ROWS * ROW_CELLS];

/// The state of this instance.
struct Instance {
    handle: UnsafeCell<Option<Handle>>,
    frame: UnsafeCell<Cells>,
    batch: UnsafeCell<Batch>,
    rows: UnsafeCell<Vec<f64>>,
}

// SAFETY: this target has no threads.
unsafe impl Sync for Instance {}

static INSTANCE: Instance = Instance {
    handle: UnsafeCell::new(None),
    frame: UnsafeCell::new([0.0; FRAME_CELLS]),
    batch: UnsafeCell::new([0.0; BATCH_ROWS * ROW_CELLS]),
    rows: UnsafeCell::new(Vec::new()),
};

/// Runs `f` with the engine, the frame and the batch; `f` must not call JavaScript but for the clock.
#[inline(always)]
fn with<T>(f: impl FnOnce(&mut Handle, &mut Cells, &mut Batch, &Now) -> T) -> T {
    // SAFETY: one thread, and no export runs inside another (see the module): these are the only references.
    let (handle, cells, rows) =
        unsafe { (&mut *INSTANCE.handle.get(), &mut *INSTANCE.frame.get(), &mut *INSTANCE.batch.get()) };
    let handle = handle.as_mut().expect("created before any other export is called");
    let now = Now::new(cells[cell::NOW], MonotonicClock::new(host_ms));
    f(handle, cells, rows, &now)
}

/// Makes the engine, of at most `max_routes` routes. Once, before anything else.
#[unsafe(no_mangle)]
extern "C" fn create(max_routes: u32) {
    let handle = Handle::alone(Limits::of_routes(max_routes));
    // SAFETY: as in `with`. Written over nothing: an assignment would bring the code that drops an engine.
    unsafe { INSTANCE.handle.get().write(Some(handle)) };
}

/// The address of the frame.
#[unsafe(no_mangle)]
extern "C" fn frame() -> *const f64 {
    INSTANCE.frame.get().cast()
}

/// The address of the batch.
#[unsafe(no_mangle)]
extern "C" fn batch() -> *const f64 {
    INSTANCE.batch.get().cast()
}

#[unsafe(no_mangle)]
extern "C" fn route() {
    with(|handle, cells, _, now| frame::route(handle, cells, now));
}

#[unsafe(no_mangle)]
extern "C" fn acquire() {
    with(|handle, cells, _, now| acquire::acquire(handle, cells, now));
}

#[unsafe(no_mangle)]
extern "C" fn release() {
    with(|handle, cells, _, now| frame::release(handle, cells, now));
}

#[unsafe(no_mangle)]
extern "C" fn route_batch() {
    with(|handle, cells, rows, now| {
        let count = (cells[cell::SLOT] as usize).min(BATCH_ROWS);
        batch::route_batch(handle, &mut rows[..count * ROW_CELLS], now);
    });
}

/// A slot for a route that has none; its name, known to JavaScript alone, has `bytes` bytes in generalised UTF-8.
#[unsafe(no_mangle)]
extern "C" fn intern(bytes: usize) -> Slot {
    with(|handle, _, _, now| handle.intern(Name::of_bytes(bytes), now.coarse_ms()))
}

/// Makes a route the most recently used.
#[unsafe(no_mangle)]
extern "C" fn touch(slot: Slot) -> bool {
    with(|handle, _, _, _| handle.touch(slot))
}

/// Next evicted slot, −1: no more, −2: all that are vacant.
#[unsafe(no_mangle)]
extern "C" fn evicted() -> i32 {
    match with(|handle, _, _, _| handle.evicted()) {
        Some(Evicted::Slot(slot)) => slot as i32,
        Some(Evicted::All) => -2,
        None => -1,
    }
}

/// Forgets a route.
#[unsafe(no_mangle)]
extern "C" fn remove(slot: Slot) {
    with(|handle, _, _, _| handle.remove(slot));
}

/// Adds the parameters in the first cells of the batch, or replaces those of number `id`; −1 when there is no room or none of
/// that number. A negative `id` adds.
#[unsafe(export_name = "define_law")]
extern "C" fn define_params(id: i32) -> i32 {
    with(|handle, _, rows, _| {
        let id = (id >= 0).then(|| u16::try_from(id).unwrap_or(u16::MAX));
        rows.first_chunk().and_then(|cells| handle.define_params(law::params(cells), id)).map_or(-1, i32::from)
    })
}

/// Gives a route the parameters of that number; false when there are none.
#[unsafe(export_name = "set_law")]
extern "C" fn set_params(slot: Slot, params_id: u32) -> bool {
    u16::try_from(params_id).is_ok_and(|id| with(|handle, _, _, _| handle.set_params(slot, id)))
}

/// Fills the state block; false when the slot is vacant.
#[unsafe(no_mangle)]
extern "C" fn read_state(slot: Slot) -> bool {
    with(|handle, cells, _, _| blocks::read_route(handle, cells, slot))
}

/// Overwrites the route with the state block; false when the slot is vacant.
#[unsafe(no_mangle)]
extern "C" fn write_state(slot: Slot) -> bool {
    with(|handle, cells, _, now| handle.restore(slot, blocks::read_state(cells, now.precise_ms().max(now.coarse_ms()))))
}

/// Fills the stats block; false when no permit was ever requested on the route.
#[unsafe(no_mangle)]
extern "C" fn read_stats(slot: Slot) -> bool {
    with(|handle, cells, _, _| handle.stats(slot).map(|stats| blocks::write_stats(cells, &stats))).is_some()
}

/// Fills the rows with the metrics of the routes; how many routes there are.
#[unsafe(no_mangle)]
extern "C" fn metrics() -> usize {
    // SAFETY: as in `with`.
    let rows = unsafe { &mut *INSTANCE.rows.get() };
    with(|handle, _, _, _| {
        rows.resize(handle.slots() as usize * metrics::METRIC_CELLS, 0.0);
        metrics::write(handle, rows)
    })
}

/// The address of the rows.
#[unsafe(no_mangle)]
extern "C" fn rows() -> *const f64 {
    // SAFETY: as in `with`.
    unsafe { (*INSTANCE.rows.get()).as_ptr() }
}

/// Writes the parts of a route's own R; false when the slot is vacant.
#[unsafe(no_mangle)]
extern "C" fn explain(slot: Slot) -> bool {
    with(|handle, cells, _, _| frame::explain(handle, cells, slot))
}

/// Counts a lease as work in flight of the route, or no longer.
#[unsafe(no_mangle)]
extern "C" fn lease(slot: Slot, taken: bool) {
    with(|handle, _, _, now| handle.lease(slot, taken, now.precise_ms()));
}

/// Overrides a route's decisions: 0 the physics decide, 1 refuse everything, 2 admit everything.
#[unsafe(export_name = "order")]
extern "C" fn set_override(slot: Slot, manual: u32) {
    let manual = match manual {
        1 => Override::Open,
        2 => Override::Closed,
        _ => Override::None,
    };
    with(|handle, _, _, _| handle.set_override(slot, manual));
}

/// Sets whether requests are decided and counted, but all admitted.
#[unsafe(no_mangle)]
extern "C" fn set_dry_run(on: bool) {
    with(|handle, _, _, _| handle.set_dry_run(on));
}

/// Next route that was used since the last call, or −1.
#[unsafe(export_name = "next_used")]
extern "C" fn next_dirty() -> i32 {
    with(|handle, _, _, _| handle.next_dirty()).map_or(-1, |slot| slot as i32)
}

/// Sets what peers report of a route: the head of the batch.
#[unsafe(export_name = "share")]
extern "C" fn set_blend(slot: Slot) {
    with(|handle, _, batch, _| frame::set_blend(handle, batch, slot));
}

/// Inherits what a store has of a route, the head of the batch, or gives back what was inherited of peers.
#[unsafe(no_mangle)]
extern "C" fn inherit(slot: Slot, taken: bool) -> bool {
    with(|handle, _, batch, now| frame::inherit(handle, batch, slot, taken, now))
}

/// Adds trauma.
#[unsafe(no_mangle)]
extern "C" fn scar(slot: Slot, ohms: f64) {
    with(|handle, _, _, now| handle.traumatise(slot, ohms, now.coarse_ms()));
}
