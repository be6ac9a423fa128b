//! The state block: what is restored from any numbers is a state that can be told again, ticks, and decays.
#![no_main]

use atrion_fuzz::{
    binding::{
        blocks,
        frame::{self, Cells, FRAME_CELLS, cell},
    },
    clock::{MonotonicClock, Now},
    engine::{Handle, Limits, Name},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut cells: Cells = [0.0; FRAME_CELLS];
    for (at, number) in bytes.chunks_exact(8).take(20).enumerate() {
        cells[cell::STATE + at] = f64::from_le_bytes(number.try_into().expect("eight bytes"));
    }
    let now_ms = 1e9;
    let mut handle = Handle::alone(Limits::of_routes(4));
    let slot = handle.intern(Name::from("route"), now_ms);
    assert!(handle.restore(slot, blocks::read_state(&cells, now_ms)));
    assert!(blocks::read_route(&handle, &mut cells, slot));
    for at in 0..18 {
        assert!(cells[cell::STATE + at].is_finite(), "cell {at}: {}", cells[cell::STATE + at]);
    }
    let clock = MonotonicClock::new();
    for tick in 0..4 {
        cells[cell::SLOT] = f64::from(slot);
        cells[cell::LATENCY_MS] = 100.0;
        cells[cell::VOLTAGE] = 100.0;
        cells[cell::LAW] = -1.0;
        frame::route(&mut handle, &mut cells, &Now::new(now_ms + f64::from(tick) * 1e5, clock));
        assert!(!cells[cell::RESISTANCE].is_nan() && cells[cell::RESISTANCE] >= 0.0, "{}", cells[cell::RESISTANCE]);
    }
});
