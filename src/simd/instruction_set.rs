//! The instruction sets, and the choice among them: made once per engine, at run time.

use std::fmt;

use super::{Lanes, Native, Portable};

/// A computation that is written once for all lanes.
///
/// ```
/// use atrion::simd::{InstructionSet, Kernel, Lanes};
///
/// struct Sum([f64; 4]);
/// impl Kernel for Sum {
///     type Output = f64;
///     fn run<L: Lanes>(self) -> f64 {
///         L::from_array(self.0).add(L::splat(1.0)).to_array().iter().sum()
///     }
/// }
/// for set in InstructionSet::all() {
///     assert_eq!(set.run(Sum([1.0, 2.0, 3.0, 4.0])), 14.0, "{set}");
/// }
/// ```
pub trait Kernel {
    /// The kernel's result.
    type Output;

    /// The computation. Marked `#[inline(always)]`, so that it is compiled for the instruction set that it runs on.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// An instruction set that this processor has.
///
/// ```
/// use atrion::simd::InstructionSet;
///
/// let best = InstructionSet::best();
/// assert_eq!(InstructionSet::named(best.name()), Some(best));
/// assert!(InstructionSet::named("portable").is_some() && InstructionSet::named("abacus").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionSet(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    Native,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl InstructionSet {
    /// Plain numbers: the oracle of the others.
    pub const PORTABLE: Self = Self(Set::Portable);

    /// The one that every processor of the target has.
    pub const NATIVE: Self = Self(Set::Native);

    /// Every instruction set that this processor has, the fastest last.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self(Set::Portable)];
        if Native::NAME != Portable::NAME {
            all.push(Self(Set::Native));
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            all.push(Self(Set::Avx2));
        }
        all
    }

    /// The fastest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Self(Set::Avx2);
        }
        Self(Set::Native)
    }

    /// The one of that name; None when this processor does not have it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|set| set.name() == name)
    }

    /// The name of the instruction set: portable, sse2, avx2, neon or simd128.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => Portable::NAME,
            Set::Native => Native::NAME,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => super::avx2::Avx2::NAME,
        }
    }

    /// Runs a kernel on it.
    #[inline]
    #[allow(unsafe_code, reason = "a function for an instruction set is unsafe where the processor lacks it")]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Set::Portable => kernel.run::<Portable>(),
            Set::Native => kernel.run::<Native>(),
            // SAFETY: `Set::Avx2` is made only where the processor has AVX2.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { super::avx2::run(kernel) },
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
