//! The frame: whatever is written into its cells, every call comes back, nothing is in flight that was given back, and a good
//! route is served afterwards.
#![no_main]

use atrion_fuzz::{
    binding::{
        acquire, batch, blocks,
        frame::{self, Cells, FRAME_CELLS, cell, status},
    },
    clock::{MonotonicClock, Now},
    engine::{Handle, Limits, Name},
};

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Mostly numbers that occur, sometimes any.
    fn number(&mut self) -> Option<f64> {
        Some(match self.byte()? {
            at @ 0..=199 => f64::from(at),
            at @ 200..=219 => f64::from(at - 200) / 20.0,
            220 => f64::NAN,
            221 => f64::INFINITY,
            222 => f64::NEG_INFINITY,
            223 => -1.0,
            224 => 1e308,
            225 => f64::from(u32::MAX),
            226 => 9_007_199_254_740_992.0,
            227 => 4_503_599_627_370_496.0,
            at @ 228..=239 => f64::from(at - 228) * 1000.0,
            _ => {
                let (bits, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                f64::from_le_bytes(*bits)
            }
        })
    }
}

fn run(bytes: &mut Bytes, handle: &mut Handle, cells: &mut Cells, clock: MonotonicClock) -> Option<()> {
    let mut rows = [0.0; 16];
    loop {
        let op = bytes.byte()?;
        for _ in 0..op >> 5 {
            let at = usize::from(bytes.byte()?) % FRAME_CELLS;
            cells[at] = bytes.number()?;
        }
        let now = Now::new(cells[cell::NOW], clock);
        let slot = cells[cell::SLOT] as u32;
        match op % 16 {
            0 | 1 => frame::route(handle, cells, &now),
            2..=4 => acquire::acquire(handle, cells, &now),
            5 | 6 => frame::release(handle, cells, &now),
            7 => {
                for row in &mut rows {
                    *row = bytes.number()?;
                }
                batch::route_batch(handle, &mut rows, &now);
            }
            8 => drop(blocks::read_route(handle, cells, slot)),
            9 => drop(handle.restore(slot, blocks::read_state(cells, now.precise_ms()))),
            10 => drop(handle.stats(slot).map(|stats| blocks::write_stats(cells, &stats))),
            11 => frame::set_blend(handle, &rows, slot),
            12 => handle.remove(slot),
            13 => drop(handle.intern(Name::from(format!("{}", bytes.byte()? % 12).as_str()), now.coarse_ms())),
            14 => handle.lease(slot, op & 32 != 0, now.precise_ms()),
            _ => drop(frame::inherit(handle, &rows, slot, op & 32 != 0, &now)),
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let clock = MonotonicClock::new();
    let mut handle = Handle::alone(Limits { max_routes: 8, max_name_bytes: 1 << 16 });
    let mut cells = [0.0; FRAME_CELLS];
    cells[cell::WAITED_MS] = -1.0;
    for route in 0..4 {
        handle.intern(Name::from(format!("{route}").as_str()), 0.0);
    }
    run(&mut Bytes(bytes), &mut handle, &mut cells, clock);
    // A request on a route that nobody has measured is admitted, whatever was done to the others.
    cells = [0.0; FRAME_CELLS];
    cells[cell::TIER] = 2.0;
    cells[cell::KEY] = f64::NAN;
    cells[cell::WAITED_MS] = -1.0;
    cells[cell::NOW] = 1e12;
    for _ in 0..2 {
        cells[cell::SLOT] = f64::from(handle.intern(Name::from("good"), 1e12));
        acquire::acquire(&mut handle, &mut cells, &Now::new(1e12, clock));
        while handle.evicted().is_some() {}
    }
    let bits = cells[cell::STATUS] as u32;
    assert!(bits & status::STALE == 0 && bits & status::ALLOW != 0, "{bits}");
});
