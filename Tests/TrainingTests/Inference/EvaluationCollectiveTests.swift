import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@testable import Training

/// Runs on any number of ranks.
@Suite(.serialized) struct EvaluationCollectiveTests {
  private let network = Network([Linear(inputs: 5, outputs: 8)])

  private func dataset(_ problem: ToyProblem) -> Dataset {
    Dataset(
      features: FeatureMatrix(problem.oracle.features.flatMap { $0 }, shape: [problem.featureCount]),
      labels: problem.oracle.labels.map { Int32($0) }, classCount: problem.oracle.classCount)
  }

  /// The definitions, computed row by row.
  private func naive(_ oracle: DenseOracle, _ θ: [Double]) -> Evaluation {
    var correct = (0, 0)
    var classes: [Int32: (examples: Double, hits: Double)] = [:]
    for (i, label) in oracle.labels.enumerated() {
      let z = oracle.logits(θ, row: i)
      let order = z.indices.sorted { (-z[$0], $0) < (-z[$1], $1) }
      if order[0] == label { correct.0 += 1 }
      classes[Int32(label), default: (0, 0)].examples += 1
      if order[0] == label { classes[Int32(label)]!.hits += 1 }
      if order.prefix(5).contains(label) { correct.1 += 1 }
    }
    let count = Double(oracle.labels.count)
    return Evaluation(
      examples: oracle.labels.count, loss: oracle.loss(θ), accuracy: Double(correct.0) / count,
      top5Accuracy: Double(correct.1) / count,
      balancedAccuracy: classes.values.reduce(0) { $0 + $1.hits / $1.examples } / Double(classes.count))
  }

  // One row, fewer rows than ranks, and more than fit into one chunk.
  @Test(arguments: [1, 3, 100, 5000])
  func `Scores agree with their definitions`(rows: Int) throws {
    let problem = ToyProblem(rows: rows, features: 5, classes: 8, largestMargin: 12, seed: 3)
    let expected = naive(problem.oracle, problem.parameters)
    let evaluator = Evaluator<Double>(network, communicator: World.communicator)
    let result = try evaluator.evaluate(Vector(problem.parameters), on: dataset(problem), normalization: .none)
    #expect(result.examples == rows)
    #expect(abs(result.loss - expected.loss) <= 1e-12 * expected.loss)
    #expect(result.accuracy == expected.accuracy)
    #expect(result.top5Accuracy == expected.top5Accuracy)
    #expect(abs(result.balancedAccuracy - expected.balancedAccuracy) <= 1e-12)

    let single = try Evaluator<Float>(network, communicator: World.communicator)
      .evaluate(Vector(problem.parameters.map { Float($0) }), on: dataset(problem), normalization: .none)
    #expect(abs(single.loss - expected.loss) <= 1e-5 * expected.loss)
  }

  @Test(arguments: [1, 3, 5000]) func `With probabilities the loss is the cross-entropy, and the largest one counts`(
    rows: Int
  ) throws {
    let folder = TemporaryFolder()
    var problem = ToyProblem(rows: rows, features: 5, classes: 8, largestMargin: 12, seed: 3)
    var targets = problem.softened(deviation: 2, smoothing: 0, seed: 6).oracle.targets!
    // The first of two equal ones counts.
    targets[rows - 1] = [0, 0.25, 0, 0.375, 0, 0, 0.375, 0]
    let labels = targets.map { $0.firstIndex(of: $0.max()!)! }
    problem = ToyProblem(
      features: problem.oracle.features, labels: labels, classes: 8, parameters: problem.parameters
    ).targeting(targets)
    let expected = naive(problem.oracle, problem.parameters)
    // An array of one row would be labels.
    let files = ["x.npy", "t.npy"].map { folder.path($0) }
    let count = max(2, rows)
    let padded = (0..<count).map { targets[min($0, rows - 1)] }
    try NPY.write(Matrix(Vector(padded.flatMap { $0 }), count, 8), to: files[1])
    try NPY.write(
      Matrix(Vector((0..<count).flatMap { problem.oracle.features[min($0, rows - 1)] }), count, 5), to: files[0])
    let set = try Dataset(features: FileList(files[0]), labels: FileList(files[1]))
    for isReproducible in [false, true] {
      let result = try Evaluator<Double>(network, isReproducible: isReproducible, communicator: World.communicator)
        .evaluate(Vector(problem.parameters), on: set, normalization: .none)
      #expect(result.examples == count)
      #expect(abs(result.loss - expected.loss) <= 1e-12 * expected.loss)
      #expect(result.accuracy == expected.accuracy && result.top5Accuracy == expected.top5Accuracy)
      #expect(abs(result.balancedAccuracy - expected.balancedAccuracy) <= 1e-12)
    }
  }

  @Test func `Rows in chunks are all there once and in order`() {
    let problem = ToyProblem(rows: 9000, features: 5, classes: 8, largestMargin: 12, seed: 3)
    let evaluator = Evaluator<Double>(network, communicator: World.communicator)
    #expect(evaluator.chunk < 9000)
    var next = 17
    evaluator.forEachChunk(of: 17..<9000, Vector(problem.parameters), dataset(problem).features, .none) {
      rows, logits in
      #expect(rows.lowerBound == next && logits.rows == rows.count)
      let expected = problem.oracle.logits(problem.parameters, row: rows.lowerBound)
      #expect(zip(logits[row: 0].array, expected).allSatisfy { abs($0 - $1) < 1e-11 })
      next = rows.upperBound
    }
    #expect(next == 9000)
  }

  @Test func `Equal scores count in the order of the classes`() throws {
    // With parameters of zero, all classes are equal.
    let problem = ToyProblem(rows: 400, features: 5, classes: 8, largestMargin: 1, seed: 5)
    let result = try Evaluator<Float>(network, communicator: World.communicator)
      .evaluate(Vector(zeros: 48), on: dataset(problem), normalization: .none)
    let labels = problem.oracle.labels
    #expect(result.accuracy == Double(labels.count { $0 == 0 }) / 400)
    #expect(result.top5Accuracy == Double(labels.count { $0 < 5 }) / 400)
    #expect(abs(result.loss - log(8)) < 1e-6)
  }

  @Test func `Scores that are no numbers are an error that names the first row`() throws {
    let problem = ToyProblem(rows: 200, features: 5, classes: 8, largestMargin: 1, seed: 5)
    for number in [Double.nan, .infinity] {
      let parameters = Vector<Double>([Double](repeating: number, count: 48))
      let error = #expect(throws: CollectiveFailure.self) {
        try Evaluator<Double>(network, communicator: World.communicator)
          .evaluate(parameters, on: dataset(problem), named: "the test set", normalization: .none)
      }
      #expect(error?.exitCode == 70 && error?.message.contains("the test set: example 0 has logits that are") == true)
    }
  }

  @Test func `The first row that is not finite is found`() {
    let (nan, infinity) = (Float.nan, Float.infinity)
    #expect(Matrix(Vector<Float>([1, 2, 3, -4, 5, 6]), 3, 2).firstNonFiniteRow == nil)
    #expect(Matrix(Vector<Float>([1, 2, 3, nan, nan, 6]), 3, 2).firstNonFiniteRow == 1)
    #expect(Matrix(Vector<Float>([1, 2, 3, 4, -infinity, infinity]), 3, 2).firstNonFiniteRow == 2)
  }

  @Test func `Ranks count the classes that score higher`() {
    let nan = Double.nan
    let logits = Matrix(Vector([1, 3, 2, 3, 0, 0, nan, 0, 5, nan, 1, 2, .infinity, 1, .infinity, 0]), 4, 4)
    func ranks(_ labels: [Int32]) -> [Int] { logits.ranks(of: labels[...]) }
    #expect(ranks([0, 0, 0, 0]) == [3, 0, 0, 0])
    #expect(ranks([1, 1, 1, 1]) == [0, 1, 4, 2])
    #expect(ranks([2, 2, 2, 2]) == [2, 4, 2, 1])
    #expect(ranks([3, 3, 3, 3]) == [1, 2, 1, 3])
    #expect(logits.ranks(of: ([9, 9, 1, 1, 1, 1] as [Int32])[2...]) == [0, 1, 4, 2])
  }

  func checkPlaces<Scalar: DistributedScalar>(_: Scalar.Type, rows: Int, classes: Int) {
    var samples = Samples(seed: UInt64(rows + classes))
    // Few distinct values, so that many are equal.
    let logits = Matrix<Scalar>(
      Vector((0..<rows * classes).map { _ in Scalar(samples.integer(below: 50)) }), rows, classes)
    let labels = (0..<rows).map { _ in Int32(samples.integer(below: classes)) }
    for (i, value) in [Scalar.nan, .infinity, -.infinity].enumerated() where i + 4 < rows {
      logits[i, 0] = value
      logits[i + 1, classes - 1] = value
      if i != 1 { logits[i + 2, Int(labels[i + 2])] = value }
    }
    let places = logits.places(of: labels[...])
    #expect(places.map(\.rank) == logits.ranks(of: labels[...]))
    #expect(places.count == rows)
    for (i, place) in places.enumerated() {
      let row = logits[row: i].array
      let y = Int(labels[i])
      let above = row.indices.filter { row[$0] > row[y] || ($0 < y && row[$0] == row[y]) }.count
      #expect(place.rank == (row[y].isNaN ? classes : above))
      var best = 0
      for c in row.indices where row[c] > row[best] { best = c }
      #expect(place.best == (place.rank == 0 ? y : best))
      #expect(logits[rows: i..<i + 1].rowMaxima() == [Int64(best)])
    }
  }

  @Test(arguments: [(0, 3), (1, 2), (9, 3), (37, 1000), (3, 20_011)])
  func `Places are those of one row after the other on any threads`(rows: Int, classes: Int) {
    for threads in [1, 3] {
      withThreads(threads) {
        checkPlaces(Float.self, rows: rows, classes: classes)
        checkPlaces(Double.self, rows: rows, classes: classes)
      }
    }
  }

  @Test func `The description is one line for people`() {
    let evaluation = Evaluation(
      examples: 360, loss: 0.123456, accuracy: 0.95, top5Accuracy: 0.99722, balancedAccuracy: 0.9)
    #expect("\(evaluation)" == "loss 0.1235  accuracy 95.00 %  top-5 99.72 %  (360 examples)")
  }
}
