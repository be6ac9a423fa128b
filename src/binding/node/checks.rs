//! Checks of the values that JavaScript hands over, where they enter: the face validates too, but code that loads the addon reaches past it.

use napi::{Error, Result, Status};

use crate::{
    binding::law::{self, LAW_CELLS, cell},
    physics::params::{RESERVES, RouteParams},
};

/// Most requests in flight that a limit may be set to.
const MOST_IN_FLIGHT: f64 = 1e6;
const MOST_R_BASE_OHMS: f64 = 1e6;
const MOST_ROUTES: u32 = 1 << 24;
const LARGEST_INTEGER: f64 = 9_007_199_254_740_991.0;
/// The cell after the last of the reserve.
const AFTER_RESERVE: usize = cell::RESERVE + RESERVES;

/// The error for a value out of its range.
fn out_of_range(field: &str, range: &str, got: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, format!("{field} must be {range}, got {got}"))
}

/// Checks that `value` lies in [`low`, `high`].
pub fn number(field: &str, value: f64, low: f64, high: f64) -> Result<f64> {
    if value >= low && value <= high {
        return Ok(value);
    }
    Err(out_of_range(field, &format!("a number in [{low:e}, {high:e}]"), format!("{value:e}")))
}

/// Checks how many routes an engine or a link may have.
pub fn max_routes(value: u32) -> Result<u32> {
    if (1..=MOST_ROUTES).contains(&value) {
        return Ok(value);
    }
    Err(out_of_range("maxRoutes", &format!("an integer in [1, {MOST_ROUTES}]"), value))
}

/// Parameters from their cells.
pub fn params(cells: &[f64]) -> Result<RouteParams> {
    let got = cells.len();
    let cells: &[f64; LAW_CELLS] =
        cells.try_into().map_err(|_| out_of_range("law", &format!("{LAW_CELLS} cells"), format!("{got} cells")))?;
    let check = |index: usize, low: f64, high: f64| number(&format!("law[{index}]"), cells[index], low, high);
    for index in 0..LAW_CELLS {
        let (low, high) = match index {
            cell::BASE_RESISTANCE => (f64::from_bits(1), MOST_R_BASE_OHMS),
            cell::BOOTSTRAP_TICKS | cell::TUNER_WARMUP_TICKS => (0.0, f64::from(u32::MAX)),
            cell::MIN_LIMIT..=cell::INITIAL_LIMIT => (1.0, MOST_IN_FLIGHT),
            cell::POOL => (0.0, LARGEST_INTEGER),
            cell::RESERVE..AFTER_RESERVE => (0.0, 1.0),
            // A product of two options may be infinite.
            _ => (0.0, f64::INFINITY),
        };
        check(index, low, high)?;
    }
    check(cell::MAX_LIMIT, cells[cell::MIN_LIMIT], MOST_IN_FLIGHT)?;
    if cells[cell::TUNER] != 0.0 {
        check(cell::TUNER_WINDOW_SIZE, 1.0, f64::INFINITY)?;
        check(cell::TUNER_HARD_CEILING, cells[cell::TUNER_MIN_FLOOR], f64::INFINITY)?;
    }
    Ok(law::params(cells))
}

#[cfg(test)]
mod tests {
    use super::{max_routes, params};
    use crate::binding::law::{self, LAW_CELLS};

    const CELLS: [f64; LAW_CELLS] = {
        let mut cells = [0.0; LAW_CELLS];
        cells[0] = 10.0;
        cells[15] = 500.0;
        cells[24] = 1.0;
        cells[25] = 100.0;
        cells[26] = 10.0;
        cells
    };

    fn refusal(changes: &[(usize, f64)]) -> String {
        let mut cells = CELLS;
        for &(cell, value) in changes {
            cells[cell] = value;
        }
        params(&cells).map_or_else(|error| error.reason.clone(), |params| panic!("{params:?}"))
    }

    #[test]
    fn a_law_within_its_ranges_is_taken_and_no_other() {
        assert_eq!(params(&CELLS).unwrap(), law::params(&CELLS));
        assert_eq!(refusal(&[(25, 0.0)]), "law[25] must be a number in [1e0, 1e6], got 0e0");
        assert_eq!(refusal(&[(24, 200.0)]), "law[25] must be a number in [2e2, 1e6], got 1e2");
        let inverted = [(16, 1.0), (17, 30.0), (19, 9.0), (20, 3.0)];
        assert_eq!(refusal(&inverted), "law[20] must be a number in [9e0, inf], got 3e0");
        for cell in 0..LAW_CELLS {
            assert!(refusal(&[(cell, f64::NAN)]).starts_with(&format!("law[{cell}] must be")));
            assert!(refusal(&[(cell, -1.0)]).starts_with(&format!("law[{cell}] must be")));
        }
        assert!(params(&CELLS[1..]).is_err());
    }

    #[test]
    fn an_engine_has_room_for_at_least_one_route() {
        assert_eq!(max_routes(1 << 24).unwrap(), 1 << 24);
        assert!(max_routes(0).is_err());
        assert!(max_routes(u32::MAX).is_err());
    }
}
