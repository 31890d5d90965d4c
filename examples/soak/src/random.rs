//! Random choices that are the same for the same seed: splitmix64.

pub(crate) struct Random(u64);

impl Random {
    /// The sequence of the thread `which` of a run with `seed`.
    pub(crate) fn new(seed: u64, which: u64) -> Self {
        let mut random = Random(seed);
        let start = random.next();
        Random(start ^ which.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Another sequence, for a callback.
    pub(crate) fn fork(&mut self) -> Self {
        Random(self.next())
    }

    /// Returns a number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Says yes once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Returns one of `of`.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
