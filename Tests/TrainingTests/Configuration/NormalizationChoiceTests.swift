import Datasets
import LinearAlgebra
import MPI
import Testing

@testable import Training

@Suite struct NormalizationChoiceTests {
  private let folder = TemporaryFolder()

  /// Two features in clusters, the second `factor` times as large, with overrides of the configuration.
  private func load(factor: Double, _ overrides: String...) throws -> (Configuration, TrainingData) {
    var generator = SplitMix64(seed: 2)
    let values = (0..<60).flatMap { row in
      [generator.nextNormal() + Double(row % 2), factor * (generator.nextNormal() - Double(row % 2))]
    }
    try NPY.write(Matrix(Vector(values), 60, 2), to: folder.path("x.npy"))
    try NPY.write((0..<60).map { Int64($0 % 2) }, to: folder.path("y.npy"))
    let configuration = try Configuration.parse(
      "data: {train: {features: \(folder.path("x.npy")), labels: \(folder.path("y.npy"))}}", source: "",
      overrides: overrides)
    let data = try TrainingData.load(configuration, over: Communicator())
    return (try configuration.resolved(for: data.facts), data)
  }

  @Test(arguments: [[], ["data.normalize=auto"]])
  func `The default is what suits the features, and it is what is written down`(overrides: [String]) throws {
    for (factor, kind) in [(1.0, Normalization.Kind.scale), (1e4, .standardize), (1e-4, .standardize)] {
      let (configuration, data) =
        try overrides.isEmpty ? load(factor: factor) : load(factor: factor, overrides[0])
      #expect(configuration.data.normalize == kind && data.normalization.kind == kind)
      #expect(configuration.yaml.contains("normalize: \(kind.rawValue)\n"))
      #expect(try Configuration.parse(configuration.yaml, source: "") == configuration)
      #expect(configuration.summaryOfNormalization(data).hasPrefix("\(kind.rawValue) ("))
      // λ follows the features after normalization.
      #expect((1e-4...1e-2).contains(configuration.optimizer.damping.initial))
    }
  }

  @Test(arguments: ["none", "scale"])
  func `What is asked for stays, with a warning where it does not suit`(kind: String) throws {
    for (factor, isWarned) in [(1.0, false), (1e4, true)] {
      let (configuration, data) = try load(factor: factor, "data.normalize=\(kind)")
      #expect(configuration.data.normalize.rawValue == kind && configuration.summaryOfNormalization(data) == kind)
      let warning = Warning.scales(configuration.scalesToWarnOf(data.scales), configuration.data.normalize)
      #expect((warning != nil) == isWarned)
      if isWarned {
        for word in ["feature 1", "data.normalize \(kind)", "set data.normalize to auto"] {
          #expect(warning?.text.contains(word) == true, "\(warning?.text ?? "")")
        }
      }
    }
    let (configuration, data) = try load(factor: 1e4, "data.normalize=standardize")
    #expect(configuration.scalesToWarnOf(data.scales) == nil)
  }

  @Test func `Images keep one scale`() throws {
    #expect(try load(factor: 1e4, "model.input_shape=[1, 2]").0.data.normalize == .scale)
  }

  @Test func `The bounds of the damping go with the features`() throws {
    let damping = try load(factor: 1e6, "data.normalize=none").0.optimizer.damping
    #expect(damping.initial > 1e8 && damping.minimum == damping.initial && damping.maximum == 1e6 * damping.initial)
    #expect(try load(factor: 1, "data.normalize=none").0.optimizer.damping.maximum == 1e6)
    let bounded = try load(factor: 1e6, "data.normalize=none", "optimizer.damping.maximum=100").0.optimizer.damping
    #expect(bounded.maximum == 100 && bounded.initial == 100 && bounded.minimum == 100)
    let raised = try Configuration.parse("optimizer: {damping: {minimum: 5e7}}", source: "").optimizer.damping
    #expect(raised.maximum == 5e13)
  }
}
