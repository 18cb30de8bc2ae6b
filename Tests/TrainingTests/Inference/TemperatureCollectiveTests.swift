import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import Training

/// Runs on any number of ranks.
@Suite(.serialized) struct TemperatureCollectiveTests {
  /// Logits of `rows` examples of 6 classes, and labels that are right with the probabilities of z/T.
  private func examples(_ rows: Int, temperature T: Double) -> (logits: [[Double]], labels: [Int32]) {
    var samples = Samples(seed: UInt64(rows))
    let logits = (0..<rows).map { _ in samples.normals(6, 4) }
    let labels = logits.map { z in
      let weights = z.map { exp($0 / T) }
      var rest = Double(samples.integer(below: 1 << 30)) / Double(1 << 30) * weights.reduce(0, +)
      return Int32(
        weights.firstIndex {
          rest -= $0; return rest < 0
        } ?? 5)
    }
    return (logits, labels)
  }

  private func loss(_ logits: [[Double]], _ labels: [Int32], _ T: Double) -> Double {
    zip(logits, labels).reduce(0) { sum, example in
      let z = example.0.map { $0 / T }
      let largest = z.max()!
      return sum + largest + log(z.reduce(0) { $0 + exp($1 - largest) }) - z[Int(example.1)]
    } / Double(labels.count)
  }

  private func fit<Scalar: DistributedScalar>(
    _ logits: [[Double]], _ labels: [Int32], _: Scalar.Type
  ) throws -> TemperatureFit<Scalar>.Result {
    let mine = (0..<labels.count).part(World.communicator.rank, of: World.communicator.size)
    let own = Vector(logits[mine].flatMap { $0.map { Scalar($0) } })
    let targets = labels.indices.map { Double(Scalar(logits[$0][Int(labels[$0])])) }
    let classes = ClassShards(6, over: World.communicator)
    let columns = Vector(logits.flatMap { $0[classes.own].map { Scalar($0) } })
    let shared = try TemperatureFit(
      logits: Matrix(columns, labels.count, classes.own.count), targets: targets, over: World.communicator,
      classes: classes
    )
    let rows = try TemperatureFit(
      logits: Matrix(own, mine.count, 6), targets: Array(targets[mine]), over: World.communicator)
    // Ranks that share out classes find the same.
    let result = try rows.solve()
    let other = try shared.solve()
    #expect(abs(other.temperature / result.temperature - 1) < 1e-9 && other.examples == result.examples)
    #expect(abs(other.before - result.before) < 1e-12 * result.before)
    return result
  }

  @Test(arguments: [0.3, 1, 2.5, 20], [5, 2000])
  func `Is where the cross-entropy is least, by a search among many`(T: Double, rows: Int) throws {
    var (logits, labels) = examples(rows, temperature: T)
    if rows == 5 {
      // One example is wrong, so that there is a best temperature.
      labels = logits.map { z in Int32(z.indices.max { z[$0] < z[$1] }!) }
      labels[0] = (labels[0] + 1) % 6
      logits[0] = logits[0].map { $0 / 8 }
    }
    let found = try fit(logits, labels, Double.self)
    // A search by thirds, in the logarithm.
    var (low, high) = (log(1e-3), log(1e3))
    for _ in 0..<200 {
      let (a, b) = (low + (high - low) / 3, high - (high - low) / 3)
      if loss(logits, labels, exp(a)) < loss(logits, labels, exp(b)) { high = b } else { low = a }
    }
    #expect(abs(found.temperature / exp(low) - 1) < 1e-6)
    #expect(abs(found.before - loss(logits, labels, 1)) < 1e-12 * found.before)
    #expect(abs(found.after - loss(logits, labels, found.temperature)) < 1e-12 * found.after)
    #expect(found.after <= found.before && found.examples == rows)
    let single = try fit(logits, labels, Float.self)
    #expect(abs(single.temperature / found.temperature - 1) < 1e-5)
  }

  @Test func `There is none where all examples are right, or no better than chance`() throws {
    let (logits, _) = examples(50, temperature: 1)
    let right = logits.map { z in Int32(z.indices.max { z[$0] < z[$1] }!) }
    #expect(throws: TemperatureFit<Double>.Failure.onlyRight) { try fit(logits, right, Double.self) }
    let wrong = logits.map { z in Int32(z.indices.min { z[$0] < z[$1] }!) }
    #expect(throws: TemperatureFit<Double>.Failure.onlyChance) { try fit(logits, wrong, Double.self) }
    // Of two equal logits neither is certain, at any temperature.
    let ties = [[Double]](repeating: [1, 1, 1, 1, 1, 1], count: 4)
    #expect(throws: TemperatureFit<Double>.Failure.self) { try fit(ties, [0, 1, 2, 3], Double.self) }
  }

  @Test func `Logits of thousands neither overflow nor lose the difference`() throws {
    let (small, labels) = examples(300, temperature: 2)
    let moderate = try fit(small, labels, Double.self)
    let logits = small.map { z in z.map { 1000 * $0 + 1e6 } }
    let large = try fit(logits, labels, Double.self)
    #expect(abs(large.temperature / moderate.temperature / 1000 - 1) < 1e-6)
  }
}
