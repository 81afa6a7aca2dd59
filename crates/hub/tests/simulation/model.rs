//! What must be true, in the plainest words.

/// xorshift64*: enough chance for a simulation, the same on every machine.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Everything that was published in this life of the log.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) log: Vec<(u64, String, String)>,
}

impl Model {
    /// What somebody must receive next who has everything up to `position` of these (topic, from).
    pub(crate) fn next(
        &self,
        topics: &[(String, u64)],
        position: u64,
        upto: u64,
        max: usize,
    ) -> Vec<(u64, String)> {
        let wanted = |(offset, topic, _): &&(u64, String, String)| {
            let from = topics
                .iter()
                .find(|(name, _)| name == topic)
                .map(|(_, from)| *from);
            *offset <= upto && from.is_some_and(|from| *offset > position.max(from))
        };
        self.log
            .iter()
            .filter(wanted)
            .take(max)
            .map(|(offset, _, data)| (*offset, data.clone()))
            .collect()
    }
}
