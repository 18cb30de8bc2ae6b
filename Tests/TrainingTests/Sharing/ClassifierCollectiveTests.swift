import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@testable import Training

/// Models whose classes ranks share out, on any number of ranks, against the same models in one process.
@Suite(.serialized) struct ClassifierCollectiveTests {
  let folder = TemporaryFolder()

  struct Shape: CustomTestStringConvertible {
    var classes: Int
    var layers = ""
    var isSparse = false
    var hasProbabilities = false
    var hasBias = true

    var testDescription: String {
      "\(classes) classes on [\(layers)]\(isSparse ? ", sparse" : "")\(hasProbabilities ? ", probabilities" : "")"
    }

    var configuration: Configuration {
      get throws { try Configuration.parse("model: {layers: [\(layers)], bias: \(hasBias)}", source: "") }
    }
  }

  /// Some have fewer classes than ranks, and none a number that all numbers of ranks divide.
  static let shapes = [2, 3, 11].flatMap { classes in
    [
      Shape(classes: classes), Shape(classes: classes, isSparse: true, hasBias: false),
      Shape(classes: classes, layers: "{linear: 6}, tanh"),
      Shape(classes: classes, layers: "{linear: 6}, relu", isSparse: true, hasProbabilities: true),
      Shape(classes: classes, hasProbabilities: true),
    ]
  }

  private static let features = 5

  /// Rows, which three and four ranks do not divide, are more than one chunk where there is a layer.
  private func examples(_ shape: Shape, rows: Int = 601) throws -> EvaluationSet {
    var samples = Samples(seed: 7)
    let (d, C) = (Self.features, shape.classes)
    let values = samples.normals(rows * d)
    let paths = ["x.npy", "t.npy"].map { folder.path($0) }
    try NPY.write(Matrix(Vector(values), rows, d), to: paths[0])
    if shape.hasProbabilities {
      let weights = (0..<rows).map { _ in samples.normals(C).map { abs($0) + 0.01 } }
      let numbers = weights.flatMap { row in row.map { $0 / row.reduce(0, +) } }
      try NPY.write(Matrix(Vector(numbers), rows, C), to: paths[1])
    } else {
      try NPY.write((0..<rows).map { _ in Int64(samples.integer(below: C)) }, to: paths[1])
    }
    var set = try Dataset(features: FileList(paths[0]), labels: FileList(paths[1]), classCount: C)
    if shape.isSparse, !shape.hasProbabilities {
      let columns = (0..<rows).map { [$0 % 2, 2 + $0 % 3] }
      let sparse = try SparseFeatures(
        name: "x", columns: d, starts: (0...rows).map { 2 * $0 }, indices: columns.flatMap { $0.map { Int32($0) } },
        values: Array(values.prefix(2 * rows)))
      set = Dataset(features: .sparse(sparse), labels: set.labels, classCount: C)
    }
    return EvaluationSet(set, name: "the examples")
  }

  /// Saves a model with random parameters, the same on all ranks. Returns its path.
  private func save(_ shape: Shape, _ precision: String, _ deviation: Double = 1) throws -> String {
    var configuration = try shape.configuration
    configuration.training.precision = precision == "float32" ? .float32 : .float64
    let network = try configuration.model.network(featureShape: [Self.features], classes: shape.classes)
    var samples = Samples(seed: 3)
    let parameters: Vector<Double> = samples.vector(network.layout.count, deviation)
    try Safetensors.save(ModelFile.contents(parameters, of: network, configuration, .none), to: folder.path("m"))
    return folder.path("m")
  }

  /// What commands find on the ranks of a communicator.
  private struct Findings<Scalar: DistributedScalar> {
    let scores: ClassScores
    let suspects: Suspects?
    var logits: [[Double]] = []
    /// nil where the model is no better than chance.
    let temperature: Double?

    init(_ path: String, _ set: EvaluationSet, head: HeadShard, over communicator: Communicator) throws {
      let file = try ModelFile(headerOf: path)
      let model: Classifier<Scalar> = try file.classifier(for: set.features, head: head, over: communicator)
      let P = model.classes.map { file.network.keeping($0.own).layout.count } ?? file.network.layout.count
      #expect(model.parameters.count == P)
      let evaluator = Evaluator<Scalar>(model.network, communicator: communicator, classes: model.classes)
      var suspects = Suspects(limit: 9)
      scores = try evaluator.scores(
        model.parameters, on: set, normalization: .none, countsConfusion: true, suspects: &suspects)
      self.suspects = try suspects.gather(over: communicator)
      temperature = try? evaluator.temperature(model.parameters, on: set, normalization: .none, over: communicator)
        .temperature
      var logits: [[Double]] = []
      try Predictor(model.network, model.parameters, .none, communicator: communicator, classes: model.classes)
        .run(set.features, named: "x") { logits += $0.logits.doubles }
      self.logits = logits
    }
  }

  private func check<Scalar: DistributedScalar>(_ shape: Shape, _ precision: String, _: Scalar.Type, _ ε: Double)
    throws
  {
    let (path, set) = (try save(shape, precision), try examples(shape))
    let one = try Findings<Scalar>(path, set, head: .classes, over: Communicator())
    for head in [HeadShard.classes, .none] {
      let all = try Findings<Scalar>(path, set, head: head, over: World.communicator)
      #expect((all.temperature == nil) == (one.temperature == nil))
      if let mine = all.temperature, let other = one.temperature { #expect(abs(mine / other - 1) < 10 * ε) }
      #expect(zip(all.scores.sums, one.scores.sums).allSatisfy { abs($0 - $1) <= ε * max(1, abs($1)) })
      for kind in [ClassScores.ClassSum.examples, .hits, .top5Hits, .predictions] {
        #expect(all.scores[kind] == one.scores[kind])
      }
      guard World.communicator.isRoot else {
        #expect(all.suspects == nil && all.logits.isEmpty)
        continue
      }
      #expect(all.suspects?.examples.map(\.row) == one.suspects?.examples.map(\.row))
      for (mine, other) in zip(all.suspects!.examples, one.suspects!.examples) {
        #expect(mine.label == other.label && mine.predicted == other.predicted)
        #expect(abs(mine.margin - other.margin) < ε * max(1, abs(other.margin)))
        #expect(abs(mine.predictedProbability - other.predictedProbability) < ε)
      }
      #expect(all.logits.count == set.count && all.logits.count == one.logits.count)
      #expect(
        zip(all.logits.joined(), one.logits.joined()).allSatisfy { abs($0 - $1) <= ε * max(1, abs($1)) })
    }
  }

  @Test(arguments: shapes)
  func `Scores, suspects, predictions and temperature are those of one process`(shape: Shape) throws {
    try check(shape, "float64", Double.self, 1e-12)
    try check(shape, "float32", Float.self, 1e-4)
  }

  @Test func `Examples that are left out count nowhere`() throws {
    let whole = try examples(Shape(classes: 3), rows: 60)
    let labels = whole.labels.enumerated().map { $0 % 7 < 3 ? IgnoredLabel.mark : $1 }
    let set = EvaluationSet(
      Dataset(features: try whole.features.read(0..<60), labels: labels, classCount: 3), name: "the examples")
    let path = try save(Shape(classes: 3), "float64")
    let one = try Findings<Double>(path, set, head: .none, over: Communicator())
    let all = try Findings<Double>(path, set, head: .classes, over: World.communicator)
    #expect(all.scores[.examples] == one.scores[.examples] && all.scores[.hits] == one.scores[.hits])
    #expect(all.scores[.examples].reduce(0, +) == Double(labels.count { $0 >= 0 }))
  }

  @Test(arguments: ["", "{linear: 6}, relu"])
  func `The first number that is not finite is named, features before logits`(layers: String) throws {
    let shape = Shape(classes: 11, layers: layers)
    let d = Self.features
    func error(_ values: [Double], _ deviation: Double) throws -> CollectiveFailure? {
      let rows = values.count / d
      let set = EvaluationSet(
        Dataset(
          features: FeatureMatrix(values, shape: [d]), labels: [Int32](repeating: 0, count: rows), classCount: 11),
        name: "the examples")
      let path = try save(shape, "float32", deviation)
      return #expect(throws: CollectiveFailure.self) {
        try Findings<Float>(path, set, head: .classes, over: World.communicator)
      }
    }
    var values = [Double](repeating: 100, count: 5003 * d)
    let logits = try error(values, 3e37)
    #expect(logits?.exitCode == 65 && logits?.message.contains("example 0 has logits that are not") == true)
    values[4999 * d + 2] = .infinity
    values[5001 * d] = .nan
    for deviation in [1, 3e37] {
      let features = try error(values, deviation)
      #expect(features?.exitCode == 65)
      #expect(features?.message.contains("example 4999 has a value that is not finite") == true)
      #expect(features?.message.contains("at feature 2") == true)
    }
  }

  @Test func `A rank with another model is named`() throws {
    let path = try save(Shape(classes: 3), "float64", World.communicator.rank == 1 ? 2 : 1)
    let set = try examples(Shape(classes: 3))
    guard World.communicator.size > 1 else { return }
    let error = #expect(throws: Disagreement.self) {
      let _: Classifier<Double> = try ModelFile(headerOf: path)
        .classifier(for: set.features, head: .auto, over: World.communicator)
    }
    #expect(error?.description.hasPrefix("the model on rank 1") == true)
  }
}
