//! The rare calls: routes by name, parameters, states. A class, made by `#[napi]`.

use std::{cell::RefCell, rc::Rc};

use napi::{
    Env, JsString, Result,
    bindgen_prelude::{Float64Array, Object, Uint8Array, Utf16String},
};
use napi_derive::napi;

use super::{checks, hot::Hot, link::Link, panics, process};
use crate::{
    binding::{blocks, frame, metrics},
    engine::{Evicted, Handle, Limits, Name, PermitId, Slot},
    physics::tick::Override,
    replication::{Loaded, Transport},
    simd::InstructionSet,
};

/// The native engine behind the port in `ts/engine/port.ts`.
#[napi]
pub struct NativeEngine {
    hot: Rc<Hot>,
    /// Routes that were loaded and not inherited yet.
    waiting: RefCell<<Loaded as IntoIterator>::IntoIter>,
}

/// The beginning of the error that names the number of routes of the process's engine.
const OTHER_ROOM: &str = "maxRoutes of the process: ";

/// The beginning of the error that names the instruction sets that there are.
const OTHER_SETS: &str = "ATRION_SIMD: ";

/// The instruction set that `ATRION_SIMD` in the environment names, or the fastest.
pub(super) fn wanted_set() -> Result<InstructionSet> {
    match std::env::var("ATRION_SIMD") {
        Ok(name) if !name.is_empty() => InstructionSet::named(&name).ok_or_else(|| {
            let names: Vec<_> = InstructionSet::all().into_iter().map(InstructionSet::name).collect();
            napi::Error::from_reason(format!("{OTHER_SETS}{}", names.join(", ")))
        }),
        _ => Ok(InstructionSet::best()),
    }
}

/// The instruction set in which ticks of many routes are computed.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub fn instruction_set() -> Result<String> {
    wanted_set().map(|set| set.name().to_owned())
}

fn name_of(route_id: JsString) -> Result<Name> {
    // N-API ends a string with a NUL of its own, and counts it.
    let units = route_id.into_utf16()?;
    Ok(Name::from_utf16(units.split_last().map_or(&[], |(_, name)| name)))
}

#[napi]
impl NativeEngine {
    /// An engine of at most `maxRoutes` routes over `frame` and `batch`: a new one, or the process's.
    #[napi(constructor, catch_unwind)]
    pub fn new(max_routes: u32, frame: Float64Array, batch: Float64Array, is_shared: Option<bool>) -> Result<Self> {
        panics::keep();
        let max_routes = checks::max_routes(max_routes)?;
        let instruction_set = wanted_set()?;
        let mut handle = match is_shared {
            Some(true) => {
                process::handle(max_routes).map_err(|room| napi::Error::from_reason(format!("{OTHER_ROOM}{room}")))?
            }
            _ => Handle::alone(Limits::of_routes(max_routes)),
        };
        handle.set_instruction_set(instruction_set);
        Ok(Self { hot: Hot::new(handle, frame, batch)?, waiting: RefCell::new(Vec::new().into_iter()) })
    }

    /// The functions of the hot path: `route`, `routeBatch`, `nothing`.
    #[napi(catch_unwind)]
    pub fn hot<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        self.hot.functions(env)
    }

    /// The time, ms since the epoch: the given one where there is one in the frame; whole ms where `coarse`.
    #[napi(catch_unwind)]
    pub fn read_clock(&self, coarse: bool) -> f64 {
        self.hot.with(|_, _, now| if coarse { now.coarse_ms() } else { now.precise_ms() })
    }

    /// Slot of a route, made when new.
    #[napi(catch_unwind)]
    pub fn intern(&self, route_id: JsString) -> Result<Slot> {
        let name = name_of(route_id)?;
        Ok(self.hot.with(|handle, _, now| handle.intern(name, now.coarse_ms())))
    }

    /// Slot of a route that exists, or −1.
    #[napi(catch_unwind)]
    pub fn find(&self, route_id: JsString) -> Result<i64> {
        let name = name_of(route_id)?;
        Ok(self.hot.with(|handle, _, _| handle.find(&name)).map_or(-1, i64::from))
    }

    /// Next evicted slot, −1: no more, −2: all.
    #[napi(catch_unwind)]
    pub fn evicted(&self) -> i64 {
        match self.hot.with(|handle, _, _| handle.evicted()) {
            Some(Evicted::Slot(slot)) => slot.into(),
            Some(Evicted::All) => -2,
            None => -1,
        }
    }

    /// Forgets a route.
    #[napi(catch_unwind)]
    pub fn remove(&self, slot: Slot) {
        self.hot.with(|handle, _, _| handle.remove(slot));
    }

    /// All route names.
    #[napi(catch_unwind)]
    pub fn route_ids(&self) -> Vec<Utf16String> {
        let names = self.hot.with(|handle, _, _| handle.engine().names());
        names.iter().map(|name| Utf16String::from(name.to_utf16())).collect()
    }

    /// Name of the route in a slot.
    #[napi(catch_unwind)]
    pub fn name_of(&self, slot: Slot) -> Option<Utf16String> {
        self.hot.with(|handle, _, _| handle.name(slot)).map(|name| Utf16String::from(name.to_utf16()))
    }

    /// Adds parameters, or replaces those of number `id`; −1 when there is no room or none of that number. Throws for a cell out
    /// of its range.
    #[napi(catch_unwind, js_name = "defineLaw")]
    #[allow(clippy::needless_pass_by_value, reason = "the macro hands over what it made from the argument")]
    pub fn define_params(&self, cells: Float64Array, id: Option<u32>) -> Result<i64> {
        let params = checks::params(&cells)?;
        let Ok(id) = id.map(u16::try_from).transpose() else { return Ok(-1) };
        Ok(self.hot.with(|handle, _, _| handle.define_params(params, id)).map_or(-1, i64::from))
    }

    /// Gives a route the parameters of that number; false when there are none.
    #[napi(catch_unwind, js_name = "setLaw")]
    pub fn set_params(&self, slot: Slot, params_id: u32) -> bool {
        u16::try_from(params_id).is_ok_and(|id| self.hot.with(|handle, _, _| handle.set_params(slot, id)))
    }

    /// Fills the state block; false when the slot is vacant.
    #[napi(catch_unwind)]
    pub fn read_state(&self, slot: Slot) -> bool {
        self.hot.with(|handle, cells, _| blocks::read_route(handle, cells, slot))
    }

    /// Overwrites the route with the state block; false when the slot is vacant.
    #[napi(catch_unwind)]
    pub fn write_state(&self, slot: Slot) -> bool {
        self.hot.with(|handle, cells, now| {
            handle.restore(slot, blocks::read_state(cells, now.precise_ms().max(now.coarse_ms())))
        })
    }

    /// Fills the stats block; false when no permit was ever requested on the route.
    #[napi(catch_unwind)]
    pub fn read_stats(&self, slot: Slot) -> bool {
        self.hot.with(|handle, cells, _| handle.stats(slot).map(|stats| blocks::write_stats(cells, &stats))).is_some()
    }

    /// Fills `rows` with the metrics of the routes, as many as fit; how many routes there are.
    #[napi(catch_unwind)]
    pub fn metrics(&self, rows: Float64Array) -> u32 {
        self.hot.with_rows(rows, metrics::write) as u32
    }

    /// Writes the parts of a route's own R; false when the slot is vacant.
    #[napi(catch_unwind)]
    pub fn explain(&self, slot: Slot) -> bool {
        self.hot.with(|handle, cells, _| frame::explain(handle, cells, slot))
    }

    /// Counts a lease as work in flight of the route, or no longer.
    #[napi(catch_unwind)]
    pub fn lease(&self, slot: Slot, taken: bool) {
        self.hot.with(|handle, _, now| handle.lease(slot, taken, now.precise_ms()));
    }

    /// Overrides a route's decisions: 0 the physics decide, 1 refuse everything, 2 admit everything.
    #[napi(catch_unwind, js_name = "order")]
    pub fn set_override(&self, slot: Slot, manual: u32) {
        let manual =
            [Override::Open, Override::Closed].get((manual as usize).wrapping_sub(1)).copied().unwrap_or_default();
        self.hot.with(|handle, _, _| handle.set_override(slot, manual));
    }

    /// Sets whether requests are decided and counted, but all admitted.
    #[napi(catch_unwind)]
    pub fn set_dry_run(&self, dry_run: bool) {
        self.hot.with(|handle, _, _| handle.set_dry_run(dry_run));
    }

    /// Next route that was used since the last call, or −1.
    #[napi(catch_unwind, js_name = "nextUsed")]
    pub fn next_dirty(&self) -> i64 {
        self.hot.with(|handle, _, _| handle.next_dirty()).map_or(-1, i64::from)
    }

    /// Sets what peers report of a route: the head of the batch.
    #[napi(catch_unwind, js_name = "share")]
    pub fn set_blend(&self, slot: Slot) {
        self.hot.with_batch(|handle, batch| frame::set_blend(handle, batch, slot));
    }

    /// Inherits what a store has of a route, the head of the batch, or gives back what was inherited of peers; false when the
    /// route was measured here already, or the slot is vacant.
    #[napi(catch_unwind)]
    pub fn inherit(&self, slot: Slot, taken: bool) -> bool {
        let now = self.hot.with(|_, _, now| *now);
        self.hot.with_batch(|handle, batch| frame::inherit(handle, batch, slot, taken, &now))
    }

    /// Reports to peers what changed and blends in what they report, with weight `gamma`, [0, 1].
    #[napi(catch_unwind)]
    pub fn sync(&self, link: &Link, gamma: f64) -> Result<()> {
        let gamma = checks::number("gamma", gamma, 0.0, 1.0)?;
        self.hot.with(|handle, _, now| handle.sync(link.mailbox(), gamma, now.coarse_ms()));
        Ok(())
    }

    /// The same, for a recording: the routes that were used since the last time, and of each that peers report its slot, whether what was
    /// inherited of them went, and the cells of `setBlend`.
    #[napi(catch_unwind)]
    pub fn sync_recorded(&self, link: &Link, gamma: f64) -> Result<Float64Array> {
        let gamma = checks::number("gamma", gamma, 0.0, 1.0)?;
        let mut cells = vec![0.0];
        let synced = self.hot.with(|handle, _, now| {
            handle.sync_with(link.mailbox(), gamma, now.coarse_ms(), |slot, returned, blend| {
                cells.extend([f64::from(slot), f64::from(u8::from(returned))]);
                cells.extend(frame::blend_cells(blend));
            })
        });
        cells[0] = f64::from(synced.used);
        Ok(cells.into())
    }

    /// Inherits at most `most` of the routes that were loaded from the store, with weight `gamma`, [0, 1]; how many it took.
    #[napi(catch_unwind)]
    pub fn adopt(&self, link: &Link, most: u32, gamma: f64) -> Result<u32> {
        let gamma = checks::number("gamma", gamma, 0.0, 1.0)?;
        let mut waiting = self.waiting.borrow_mut();
        if let Some(loaded) = link.take_loaded() {
            *waiting = loaded.into_iter();
        }
        let mut taken = 0;
        for (name, reports) in waiting.by_ref().take(most as usize) {
            taken += 1;
            self.hot.with(|handle, _, now| {
                handle.inherit_reports(link.mailbox(), &name, &reports, gamma, now.coarse_ms());
            });
        }
        Ok(taken)
    }

    /// Leaves the cluster: clears what peers report.
    #[napi(catch_unwind)]
    pub fn leave(&self, link: &Link) {
        *self.waiting.borrow_mut() = Vec::new().into_iter();
        self.hot.with(|handle, _, _| handle.leave(link.mailbox()));
    }

    /// Decisions from now on know of the stalls of this thread's event loop; false where it is not watched.
    #[napi(catch_unwind)]
    pub fn watch(&self) -> bool {
        self.hot.watch()
    }

    /// The stalls that the engine has learnt of since this was last called: the beginning and the end of each, ms.
    #[napi(catch_unwind)]
    pub fn take_stalls(&self) -> Float64Array {
        self.hot.take_stalls().into()
    }

    /// The loop was blocked in that time, ms: of a recording that is replayed.
    #[napi(catch_unwind)]
    pub fn blocked(&self, since_ms: f64, until_ms: f64) {
        self.hot.with(|handle, _, _| handle.blocked(since_ms, until_ms));
    }

    /// Postpones the admission of a permit that is about to be released, ms: likewise.
    #[napi(catch_unwind)]
    pub fn postpone(&self, permit: f64, by_ms: f64) {
        self.hot.with(|handle, _, now| handle.postpone(permit as PermitId, false, now.precise_ms(), |_| by_ms));
    }

    /// The time of a permit, which fails now, in which the loop stalled, if it stalled just now, ms.
    #[napi(catch_unwind)]
    pub fn stalled_ms(&self, permit: f64) -> f64 {
        self.hot.stalled_ms(permit as PermitId)
    }

    /// All that decisions depend on, as bytes; nothing where those are more than `most`.
    #[napi(catch_unwind)]
    pub fn image(&self, most: u32) -> Option<Uint8Array> {
        self.hot.with(|handle, _, _| handle.image(most as usize)).map(Uint8Array::from)
    }

    /// Takes over such bytes; of each route its slot, and the number of the parameters that governed it. Nothing where they are none.
    #[napi(catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "the macro hands over what it made from the argument")]
    pub fn load_image(&self, image: Uint8Array) -> Option<Float64Array> {
        let laws = self.hot.with(|handle, _, _| handle.load_image(&image))?;
        Some(laws.into_iter().flat_map(|(slot, law)| [f64::from(slot), f64::from(law)]).collect::<Vec<_>>().into())
    }

    /// Adds trauma.
    #[napi(catch_unwind)]
    pub fn scar(&self, slot: Slot, ohms: f64) {
        self.hot.with(|handle, _, now| handle.traumatise(slot, ohms, now.coarse_ms()));
    }
}

/// Crosses and comes back: the unit that the benchmarks measure in.
#[napi]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub fn noop() {}
