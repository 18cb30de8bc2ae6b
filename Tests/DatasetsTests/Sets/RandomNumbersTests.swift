import LinearAlgebra
import Testing

@Suite struct RandomNumbersTests {
  @Test func `The sequence is that of the reference code`() {
    var generator = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<5).map { _ in generator.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
      ])
  }

  @Test func `Streams of a seed do not overlap`() {
    var seen: Set<UInt64> = []
    for seed: UInt64 in 0..<4 {
      for stream: UInt64 in 0..<16 {
        var generator = SplitMix64(seed: seed, stream: stream)
        for _ in 0..<256 { seen.insert(generator.next()) }
      }
    }
    #expect(seen.count == 4 * 16 * 256)
  }

  @Test func `Bounded integers are uniform`() {
    var generator = SplitMix64(seed: 2)
    for bound: UInt64 in [1, 2, 3, 7, 10] {
      let draws = 20_000
      var counts = [Int](repeating: 0, count: Int(bound))
      for _ in 0..<draws { counts[Int(generator.next(below: bound))] += 1 }
      let expected = Double(draws) / Double(bound)
      // The tolerance is five standard deviations.
      #expect(counts.allSatisfy { abs(Double($0) - expected) < 5 * expected.squareRoot() })
    }
    // With a bound just above 2⁶³, half of all words would be biased, which shows in the mean.
    let bound: UInt64 = 3 << 62
    let low = (0..<20_000).count { _ in generator.next(below: bound) < 1 << 62 }
    #expect(abs(Double(low) - 20_000 / 3) < 5 * (20_000 * 2.0 / 9).squareRoot())
  }

  @Test func `Normal numbers have the moments of the normal distribution`() {
    var generator = SplitMix64(seed: 3)
    let count = 200_000
    let numbers = (0..<count).map { _ in generator.nextNormal() }
    #expect(numbers.allSatisfy { $0.isFinite })
    for (power, moment, variance) in [(1, 0.0, 1.0), (2, 1, 2), (3, 0, 15), (4, 3, 96)] {
      let mean = numbers.reduce(0) { $0 + Self.power($1, power) } / Double(count)
      #expect(abs(mean - moment) < 5 * (variance / Double(count)).squareRoot())
    }
    let beyond = numbers.count { abs($0) > 2 }
    #expect(abs(Double(beyond) / Double(count) - 0.0455) < 0.0025)
  }

  @Test func `Uniform numbers stay below one`() {
    var generator = SplitMix64(seed: 4)
    let numbers = (0..<100_000).map { _ in generator.nextUniform() }
    #expect(numbers.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(numbers.reduce(0, +) / 100_000 - 0.5) < 0.005)
  }

  static func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { product, _ in product * base }
  }
}
