//! Random numbers of a simulation, and the shapes of its services.

/// A stream of random numbers (Steele, Lea and Flood, "SplitMix", 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Stream `stream` of the simulation `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// The next number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential, mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Normal, mean 0, variance 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Distribution of service times, each of mean 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Always 1.
    Constant,
    /// Between 0 and 2.
    Uniform,
    /// The sum of four exponential parts.
    Erlang,
    /// Without memory.
    Exponential,
    /// σ 1 of the logarithm.
    LogNormal,
    /// One in ten is eleven times as long as the others.
    Bimodal,
    /// A mixture of two exponentials, squared coefficient of variation 4.
    Hyperexponential,
}

/// All shapes, the least variable first.
pub const SHAPES: [Shape; 7] = [
    Shape::Constant,
    Shape::Uniform,
    Shape::Erlang,
    Shape::Exponential,
    Shape::LogNormal,
    Shape::Bimodal,
    Shape::Hyperexponential,
];

impl Shape {
    /// One service time.
    pub fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Uniform => 2.0 * random.uniform(),
            Self::Erlang => (0..4).map(|_| random.exponential()).sum::<f64>() / 4.0,
            Self::Exponential => random.exponential(),
            Self::LogNormal => (random.normal() - 0.5).exp(),
            Self::Bimodal => [0.5, 5.5][usize::from(random.uniform() >= 0.9)],
            Self::Hyperexponential => {
                let mean = if random.uniform() < 0.8873 { 0.5635 } else { 4.4365 };
                mean * random.exponential()
            }
        }
    }
}
