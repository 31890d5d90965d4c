//! Random numbers that are the same for the same seed: Marsaglia's xorshift.

/// A sequence; its seed must not be 0.
pub struct Random(u64);

impl Random {
    /// Returns the next number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// Makes the sequence number `which` of those of a test. The seed is that
    /// of the environment's SEED, if it has one, and is printed.
    pub fn seeded(which: u64) -> Self {
        let seed = std::env::var("SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(0x5EED_u64);
        println!("SEED={seed}");
        let mut random = Random(seed.wrapping_mul(2 * which + 3) | 1);
        // Neighbouring seeds begin alike.
        for _ in 0..16 {
            random.below(2);
        }
        random
    }
}
