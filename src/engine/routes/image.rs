//! The image of a table: all that its decisions depend on, but for the parameters, whose numbers it has.

use super::{Closed, PeerPart, Pools, Table};
use crate::{
    engine::{
        Limits,
        ids::{ShardId, Slot},
        lru::{Lru, NONE},
        names::Name,
        permits::Permits,
    },
    image::Image,
    physics::{queue::Queue, tick::RouteState},
};

/// Images are read by the version that wrote them.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Slots of routes, each with the number of its parameters.
type SlotParams = Vec<(Slot, u16)>;

/// Stands for a slot without a route.
const VACANT: u32 = u32::MAX;

image! { PeerPart { blend, inherited, inherited_at_ms } }
image! { Closed { limiter, own, params_pool, pool } }

impl Table {
    /// The table and the queue in front of it as bytes; None where those are more than `most`, or it is one of several.
    pub fn image(&mut self, queue: &Queue, most: usize) -> Option<Vec<u8>> {
        let mut out = VERSION.as_bytes().to_vec();
        let lengths: Vec<_> =
            self.names.iter().map(|name| name.as_ref().map_or(VACANT, |it| it.len() as u32)).collect();
        lengths.write(&mut out);
        self.free.write(&mut out);
        let mut slot = self.lru.oldest();
        while slot != NONE {
            if out.len() > most {
                return None;
            }
            slot.write(&mut out);
            if !self.lru.is_cursor(slot) {
                self.lru.state(slot).write(&mut out);
            }
            slot = self.lru.newer(slot);
        }
        NONE.write(&mut out);
        (self.limiters.len() as u32).write(&mut out);
        for closed in &self.limiters {
            if out.len() > most {
                return None;
            }
            closed.write(&mut out);
        }
        if !self.pools.write(&mut out) {
            return None;
        }
        self.permits.write(&mut out);
        self.generations.write(&mut out);
        self.peer_parts.write(&mut out);
        queue.write(&mut out);
        self.dry_run.write(&mut out);
        (out.len() <= most).then_some(out)
    }

    /// Becomes another table. Evictions are numbered on: handles have seen those that there were.
    pub fn replace(&mut self, other: Self) {
        *self = Self { evicted: std::mem::take(&mut self.evicted), evictions: self.evictions, ..other };
    }

    /// The table of an image with the queue, and the numbers of the parameters of its routes; None where it is none. Names are not in it: each
    /// route gets one of its own, as long as far as that goes.
    pub fn of_image(limits: Limits, mut bytes: &[u8]) -> Option<(Self, Queue, SlotParams)> {
        let from = &mut bytes;
        *from = from.strip_prefix(VERSION.as_bytes())?;
        let lengths = Vec::<u32>::read(from)?;
        let free = Vec::<Slot>::read(from)?;
        let bytes: usize = lengths.iter().filter(|&&length| length != VACANT).map(|&length| length as usize).sum();
        if lengths.len() > limits.max_routes as usize + 1 || bytes > limits.max_name_bytes {
            return None;
        }
        let (lru, params) = read_routes(&lengths, from)?;
        let name = |slot: usize, length: u32| {
            let width = length.min(u32::from(u16::MAX)) as usize;
            Name::from(format!("{:<width$}", format!("#{slot}")).as_str())
        };
        let names: Vec<_> =
            lengths.iter().enumerate().map(|(slot, &length)| (length != VACANT).then(|| name(slot, length))).collect();
        let mut table = Self {
            limits,
            lru,
            free,
            len: params.len(),
            name_bytes: names.iter().flatten().map(Name::len).sum(),
            names,
            evicted: Vec::new(),
            evictions: 0,
            limiters: Vec::read(from)?,
            pools: Pools::read(from)?,
            permits: Permits::read(from)?,
            generations: u32::read(from)?,
            peer_parts: Vec::read(from)?,
            shard: ShardId::ONLY,
            dry_run: false,
        };
        let queue = Queue::read(from)?;
        table.dry_run = bool::read(from)?;
        (from.is_empty() && table.is_sound()).then_some((table, queue, params))
    }

    /// Returns whether every number that stands for a place stands for one that there is, and every list has an end.
    fn is_sound(&self) -> bool {
        let slots = self.names.len();
        let mut is_free = vec![false; slots];
        for &slot in &self.free {
            let is_vacant = self.names.get(slot as usize).is_some_and(Option::is_none) && !self.lru.is_cursor(slot);
            if !is_vacant || std::mem::replace(&mut is_free[slot as usize], true) {
                return false;
            }
        }
        let mut seen = self.permits.places();
        self.len <= self.limits.max_routes as usize
            && self.limiters.len() <= slots
            && self.peer_parts.len() <= slots
            && self.limiters.iter().enumerate().all(|(slot, closed)| {
                closed.as_deref().is_none_or(|closed| {
                    self.names[slot].is_some()
                        && self.pools.has(closed.pool)
                        && closed.limiter.has_list_in(&self.permits, slot as Slot, &mut seen)
                })
            })
    }
}

/// The states in the order of their use, and the numbers of their parameters, of which none counts yet.
fn read_routes(lengths: &[u32], from: &mut &[u8]) -> Option<(Lru, SlotParams)> {
    let mut lru = Lru::default();
    (0..lengths.len()).for_each(|slot| lru.grow(slot));
    let mut params = Vec::new();
    let mut linked = vec![false; lengths.len()];
    loop {
        let slot = Slot::read(from)?;
        if slot == NONE {
            break;
        }
        let is_new = !std::mem::replace(linked.get_mut(slot as usize)?, true);
        if !is_new {
            return None;
        }
        if lengths[slot as usize] == VACANT {
            if lru.has_cursor() {
                return None;
            }
            lru.restore_cursor(slot);
        } else {
            let state = RouteState::read(from)?;
            params.push((slot, state.params_id));
            lru.insert(slot, RouteState { params_id: 0, ..state });
        }
    }
    let routes = lengths.iter().filter(|&&length| length != VACANT).count();
    (routes == params.len()).then_some((lru, params))
}
