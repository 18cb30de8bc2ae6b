import Foundation
import LinearAlgebra
import Testing

@testable import Training

/// The average against sums in Double over all parameters that it has seen.
@Suite struct WeightAverageTests {
  private func span(_ kind: AverageOptions.Kind, from: Double = 0.25, steps: Int) throws -> AverageSpan {
    var options = AverageOptions()
    (options.kind, options.from, options.decay) = (kind, from, 0.97)
    return try #require(AverageSpan(options, steps: steps))
  }

  private func check<Scalar: BLASScalar>(_ kind: AverageOptions.Kind, _: Scalar.Type, tolerance: Double) throws {
    let (count, steps) = (200, 80)
    var generator = SplitMix64(seed: 3)
    let average = WeightAverage<Scalar>(try span(kind, steps: steps), count: count)
    let first = kind == .tail ? 21 : 1
    var (sums, total) = ([Double](repeating: 0, count: count), 0.0)
    for step in 1...steps {
      let θ = Vector((0..<count).map { _ in Scalar(100 + generator.nextNormal()) })
      average.include(θ, after: step)
      #expect((average.parameters == nil) == (step < first))
      guard step >= first else { continue }
      let keep = kind == .tail ? 1 : 0.97
      total = keep * total + 1
      for index in 0..<count { sums[index] = keep * sums[index] + Double(θ[index]) }
      let values = try #require(average.parameters)
      let difference = (0..<count).map { abs(Double(values[$0]) - sums[$0] / total) }.max()!
      #expect(difference < tolerance)
      if step == first { #expect(values.array == θ.array) }
    }
  }

  @Test(arguments: [AverageOptions.Kind.tail, .ema])
  func `Is the mean of what it has seen, in either precision`(kind: AverageOptions.Kind) throws {
    try check(kind, Double.self, tolerance: 1e-12)
    // Half a unit in the last place of 100 in float32.
    try check(kind, Float.self, tolerance: 4e-6)
  }

  @Test func `Rounding does not add up over many steps in float32`() throws {
    let (count, steps) = (8, 300_000)
    let average = WeightAverage<Float>(try span(.tail, from: 0, steps: steps), count: count)
    let θ = Vector<Float>(zeros: count)
    var (single, sum) = (Float(0), 0.0)
    var generator = SplitMix64(seed: 5)
    for step in 1...steps {
      // A slow drift, whose effect on a running mean is less than its rounding in float32.
      let value = Float(1 + 1e-2 * Double(step) / Double(steps) + 1e-3 * generator.nextNormal())
      θ.fill(value)
      average.include(θ, after: step)
      sum += Double(value)
      single += (value - single) / Float(step)
    }
    let mean = sum / Double(steps)
    #expect(abs(average.values[0] - mean) < 1e-12)
    #expect(Double(abs(Double(single) - mean)) > 1e-5, "a running mean in float32 would do")
  }

  @Test func `Has the same bits on any number of threads`() throws {
    let count = 300_001
    var generator = SplitMix64(seed: 7)
    let steps = (0..<3).map { _ in Vector((0..<count).map { _ in Float(generator.nextNormal()) }) }
    let results = try [1, 2, 3].map { threads in
      try Threads.with(count: threads) {
        let average = WeightAverage<Float>(try span(.ema, steps: 3), count: count)
        for (index, θ) in steps.enumerated() { average.include(θ, after: index + 1) }
        return average.values.array
      }
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }
}
