import Datasets
import GaussNewton
import LinearAlgebra
import Testing

@testable import Training

@Suite struct RunStateChangeTests: CheckpointSuite {
  @Test(arguments: [
    ("adam", "momentum", "0", "0.9"), ("adam", "solver.max_iterations", "7", "50"),
    ("adam", "step_length", "ggn", "unit"),
    ("sgd", "metric.kind", "inputs", "identity"), ("sgd", "damping.initial", "7", "1"),
    ("sgd", "adam.beta1", "0", "0.9"),
    ("ggn", "solver.gram_tolerance", "0.5", "0.01"), ("fgn", "metric.epsilon", "1", "0.1"),
    ("fgn", "decay_biases", "false", "true"),
  ])
  func `What the method does not read may change and is not told`(
    method: String, key: String, old: String, new: String
  ) throws {
    func configuration(_ value: String) throws -> Configuration {
      try Configuration.parse(
        "", source: "", overrides: ["optimizer.method=\(method)", "optimizer.\(key)=\(value)"])
    }
    let counters = try optimizer(configuration(old)).counters
    for (before, after) in [(old, new), (new, old)] {
      let file = checkpoint(try configuration(before), .init(step: 7, optimizer: counters, examples: 50))
      #expect(try RunState(file, for: configuration(after)).settingChanges == [])
    }
  }

  @Test(arguments: [
    ("initial: 0.25, minimum: 0.01", "initial: 0.25, minimum: 0.01", 0.125, 0.125),
    ("initial: 0.25, minimum: 0.01", "minimum: 0.01", 0.125, 0.125),
    ("initial: 0.25, minimum: 0.01", "minimum: 0.2", 0.125, 0.2),
    ("initial: 0.25, minimum: 0.01", "minimum: 0.01, maximum: 0.1", 0.125, 0.1),
    ("initial: 0.25, minimum: 0.01", "initial: 3, minimum: 0.01", 0.125, 3),
    ("initial: 0.25, minimum: 0.01", "initial: 0.25, policy: constant", 0.125, 0.25),
    ("initial: 0.25, minimum: 0.01", "policy: constant", 0.125, 0.25),
    ("initial: 0.25, policy: constant", "initial: 0.25, policy: constant", 0.125, 0.25),
    ("initial: 0.25, policy: constant", "policy: constant", 0.25, 0.25),
    ("initial: 0.25, policy: constant", "minimum: 0.5", 0.25, 0.5),
  ])
  func `A run goes on with the λ of its checkpoint, its bound, or what is given, and says so`(
    before: String, after: String, old: Double, new: Double
  ) throws {
    func configuration(_ damping: String) throws -> Configuration {
      try Configuration.parse("optimizer: {damping: {\(damping)}}", source: "")
    }
    let file = checkpoint(
      try configuration(before), .init(step: 7, optimizer: .init(damping: old), examples: 50),
      memory: [("last_step", Vector(zeros: 6))])
    let state = try RunState(file, for: configuration(after))
    #expect(state.damping == new)
    #expect(state.settingChanges.joined().contains("λ \(new.short) (was \(old.short))") == (old != new))
    #expect(state.configuration.optimizer.summary(resumed: state.damping).contains(", damping \(new.short) "))
    let resumed = optimizer(state.configuration)
    try state.restore(resumed)
    #expect(resumed.counters.damping == new)
  }

  @Test func `A checkpoint without names of columns takes those of the table`() throws {
    func data(_ names: [String]?) -> TrainingData {
      var set = Dataset(
        features: FeatureMatrix([Double](repeating: 1, count: 100), shape: [2]),
        labels: [Int32](repeating: 0, count: 50), classCount: 2)
      set.tableColumns = names.map { TableColumns(features: $0) }
      return TrainingData(train: set, test: nil, normalization: .none, classCount: 2)
    }
    let bare = try RunState(checkpoint(), for: Configuration())
    for names in [["a", "b"], [], nil] {
      try bare.check(data(names))
      #expect(
        bare.noteOnColumns(data(names))?.hasPrefix("note: c.safetensors") == (names == ["a", "b"] ? true : nil))
    }
    #expect(try bare.notes(data(nil)).contains { $0.contains("no checksum of its examples") })
    let named = try RunState(checkpoint(data: DataDescription(of: data(["a", "b"]).train)), for: Configuration())
    try named.check(data(["a", "b"]))
    #expect(named.noteOnColumns(data(["a", "b"])) == nil)
    for names in [["b", "a"], [], nil] {
      let error = #expect(throws: ConfigurationError.self) { try named.check(data(names)) }
      #expect(error?.exitCode == 64 && error?.key == "data.train")
    }
  }

  @Test func `A change of the rate is told, and a run cannot end before its checkpoint`() throws {
    let set = Dataset(
      features: FeatureMatrix([Double](repeating: 1, count: 100), shape: [2]),
      labels: [Int32](repeating: 0, count: 50), classCount: 2)
    let data = TrainingData(train: set, test: nil, normalization: .none, classCount: 2)
    func change(_ before: [String], _ after: [String]) throws -> String? {
      let saved = try Configuration.parse("optimizer: {batch_size: 10}", source: "", overrides: before)
      let new = try Configuration.parse("optimizer: {batch_size: 10}", source: "", overrides: after)
      return try RunState(checkpoint(saved), for: new).scheduleChange(data)
    }
    // Seven steps are done, with five per epoch.
    #expect(try change([], []) == nil)
    #expect(
      try change(["optimizer.schedule.kind=constant"], ["optimizer.schedule.kind=constant", "training.epochs=3"]) == nil
    )
    #expect(
      try change(["training.epochs=2"], ["training.epochs=4"])
        == "note: the rate goes from 0.12 at step 7 to 0.195, for training.epochs is 4 and was 2")
    #expect(
      try change([], ["optimizer.learning_rate=0.1"])?.contains("optimizer.learning_rate is 0.1 and was 0.3") == true)
    #expect(try change([], ["training.steps=9"])?.contains("training.steps is 9 and was null") == true)
    #expect(try change([], ["optimizer.schedule.kind=cosine"])?.contains("is cosine and was linear") == true)
    #expect(try change([], ["training.steps=7"]) == nil, "nothing is left to do but to save the model")
    for (override, key) in [("training.epochs=1", "training.epochs"), ("training.steps=6", "training.steps")] {
      let error = #expect(throws: ConfigurationError.self) { try change([], [override]) }
      #expect(error?.exitCode == 64 && error?.key == key)
      #expect(error?.problem.contains("c.safetensors has 7 done") == true)
    }
  }
}
