import Datasets
import GaussNewton
import LinearAlgebra
import Testing

@testable import Training

@Suite struct RunStateTests: CheckpointSuite {
  @Test(arguments: [
    ["fgn", "last_step"], ["ggn", "last_step"], ["sgd", "velocity"], ["adam", "first_moment", "second_moment"],
  ])
  func `Progress and the optimizer's memory come back`(words: [String]) throws {
    let configuration = try Configuration.parse("", source: "", overrides: ["optimizer.method=\(words[0])"])
    let old = optimizer(configuration)
    #expect(old.memory.map(\.name) == Array(words.dropFirst()))
    for (index, entry) in old.memory.enumerated() { entry.vector.fill(Float(index) + 0.5) }
    if old.counters.damping != nil { old.counters.damping = 0.125 }
    if old.counters.moments != nil { old.counters.moments = 7 }
    let progress = RunState.Progress(step: 7, optimizer: old.counters, examples: 50)

    let folder = TemporaryFolder()
    try Safetensors.save(checkpoint(configuration, progress, memory: old.memory), to: folder.path("c"))
    let state = try RunState(Safetensors.load(path: folder.path("c"), requireChecksum: true), for: configuration)
    #expect(state.progress == progress)
    #expect(state.contents.tensors.suffix(words.count - 1).map(\.name) == words.dropFirst().map { "optimizer.\($0)" })
    let new = optimizer(configuration)
    try state.restore(new)
    #expect(new.counters == old.counters)
    #expect(zip(new.memory, old.memory).allSatisfy { $0.vector.array == $1.vector.array })
    #expect(try ModelFile.parameters(of: network, in: state.contents, as: Float.self).count == 6)
  }

  @Test func `A checkpoint without the memory of its method is refused`() throws {
    for (method, counters, section) in [
      ("fgn", OptimizerCounters(damping: 1), "optimizer.last_step"), ("sgd", .init(), "optimizer.velocity"),
      ("adam", .init(moments: 3), "optimizer.first_moment"), ("adam", .init(), "fgn.progress"),
      ("fgn", .init(), "fgn.progress"), ("sgd", .init(damping: 1), "fgn.progress"),
    ] {
      let configuration = try Configuration.parse("", source: "", overrides: ["optimizer.method=\(method)"])
      let file = checkpoint(configuration, .init(step: 7, optimizer: counters, examples: 50))
      let state = try RunState(file, for: configuration)
      let error = #expect(throws: StorageError.self) { try state.restore(optimizer(configuration)) }
      #expect(error?.exitCode == 65)
      #expect(error?.section.contains(section) == true)
    }
  }

  @Test func `Damping comes back to the last bit`() throws {
    for damping in [0.1, 1.0 / 3, 1e-300, 1.0.nextUp, 1e6 / 1.5 / 1.5 / 1.5] {
      let file = checkpoint(Configuration(), .init(step: 1, optimizer: .init(damping: damping), examples: 5))
      #expect(try RunState(file, for: Configuration()).progress.optimizer.damping == damping)
    }
  }

  @Test(arguments: [
    "optimizer.batch_size=8", "optimizer.batch_size=full", "training.seed=5", "training.precision=float64",
    "training.drop_last=true", "training.shuffle_block=4",
    "training.stratify=true", "training.label_smoothing=0.1", "data.normalize=none",
    "optimizer.method=ggn", "optimizer.method=adam",
    "optimizer.momentum=0", "model.layers=[tanh]", "model.bias=false", "model.input_shape=[1, 2]",
    "model.channels=last",
    "training.reproducible=true", "data.class_weights=balanced", "data.class_weights=[1, 2]",
    "data.ignore_label=255", "data.ignore_label=unknown", "data.validation.fraction=0.1",
    "data.validation.fold=2/5",
  ])
  func `Settings that decide the course of a run cannot change`(override: String) throws {
    let changed = try Configuration.parse("", source: "", overrides: [override])
    let error = #expect(throws: ConfigurationError.self) { try RunState(checkpoint(), for: changed) }
    #expect(error?.exitCode == 64)
    #expect(error?.key == String(override.split(separator: "=")[0]))
    #expect(error?.description.contains("c.safetensors") == true)
    _ = try RunState(checkpoint(changed), for: changed)
  }

  @Test(arguments: [
    "training.epochs=99", "training.steps=99", "optimizer.learning_rate=0.1", "checkpoint.every=1",
    "optimizer.momentum=0.5", "logging.every=5", "data.train.format=npy", "training.virtual_shards=8",
    "training.shuffle_window=3", "training.evaluate_every_steps=3", "training.best_by=accuracy",
  ])
  func `Other settings may change`(override: String) throws {
    let changed = try Configuration.parse("", source: "", overrides: [override])
    #expect(try RunState(checkpoint(), for: changed).progress.step == 7)
  }

  @Test func `The order of rows is that of the checkpoint where none is asked for`() throws {
    let saved = try Configuration.parse(
      "", source: "", overrides: ["training.shuffle_block=64", "training.shuffle_window=8"])
    let state = try RunState(checkpoint(saved), for: Configuration.parse("", source: ""))
    #expect(state.configuration.training.shuffleBlock == 64)
    #expect(state.configuration.training.shuffleWindow == 8)
    let error = #expect(throws: ConfigurationError.self) {
      try RunState(checkpoint(saved), for: Configuration.parse("", source: "", overrides: ["training.shuffle_block=1"]))
    }
    #expect(error?.key == "training.shuffle_block")
  }

  @Test(arguments: [(-1, 0.1), (1, 0), (1, -0.5)])
  func `Impossible progress is refused`(step: Int, damping: Double) {
    let file = checkpoint(Configuration(), .init(step: step, optimizer: .init(damping: damping), examples: 50))
    let error = #expect(throws: StorageError.self) { try RunState(file, for: Configuration()) }
    #expect(error?.exitCode == 65)
    #expect(error?.section.contains("fgn.progress") == true)
  }

  @Test func `A model is no checkpoint`() {
    var file = checkpoint()
    file.metadata["fgn.progress"] = nil
    let error = #expect(throws: StorageError.self) { try RunState(file, for: Configuration()) }
    #expect(error?.exitCode == 65)
  }

  @Test func `The weights must be those of the run`() throws {
    func data(_ weights: [Double]?) -> TrainingData {
      let set = Dataset(
        features: FeatureMatrix([Double](repeating: 1, count: 100), shape: [2]),
        labels: [Int32](repeating: 0, count: 50), classCount: 2)
      return TrainingData(
        train: set, test: nil, normalization: .none, classCount: 2,
        weights: weights.flatMap { ExampleWeights($0, nil, labels: set.labels, classCount: 2) })
    }
    let weights = (0..<50).map { Double($0) }
    var changed = weights
    changed[49] = 49.5
    let progress = RunState.Progress(
      step: 7, optimizer: .init(damping: 0.125), examples: 50, weights: data(weights).weights?.checksum)
    let weighted = try RunState(checkpoint(Configuration(), progress), for: Configuration())
    let plain = try RunState(checkpoint(), for: Configuration())
    try weighted.check(data(weights))
    // Doubled weights are the same relative to the mean.
    try weighted.check(data(weights.map { 2 * $0 }))
    try plain.check(data(nil))
    for (state, other) in [(weighted, data(changed)), (weighted, data(nil)), (plain, data(weights))] {
      let error = #expect(throws: ConfigurationError.self) { try state.check(other) }
      #expect(error?.exitCode == 64)
      #expect(error?.key == "data.train.weights")
    }
  }

  @Test func `Other values are refused, and older checkpoints ask for none`() throws {
    func data(_ checksum: UInt64) -> TrainingData {
      let set = Dataset(
        features: FeatureMatrix([Double](repeating: 1, count: 100), shape: [2]),
        labels: [Int32](repeating: 0, count: 50), classCount: 2)
      return TrainingData(train: set, test: nil, normalization: .none, checksum: checksum, classCount: 2)
    }
    let progress = RunState.Progress(
      step: 7, optimizer: .init(damping: 0.125), examples: 50, data: RunState.text(checksum: .max - 1))
    let state = try RunState(checkpoint(Configuration(), progress), for: Configuration())
    try state.check(data(.max - 1))
    let error = #expect(throws: ConfigurationError.self) { try state.check(data(.max)) }
    #expect(error?.exitCode == 64 && error?.key == "data.train")
    #expect(error?.description.contains("--set model.initialization=c.safetensors") == true)
    try RunState(checkpoint(), for: Configuration()).check(data(5))
  }

  @Test func `A normalization that nobody asked for is that of the checkpoint`() throws {
    let saved = try Configuration.parse("", source: "", overrides: ["data.normalize=standardize"])
    let state = try RunState(checkpoint(saved), for: Configuration.parse("", source: ""))
    #expect(state.configuration.data.normalize == .standardize && state.configuration.data.$normalize.isAutomatic)
    #expect(throws: ConfigurationError.self) {
      try RunState(checkpoint(saved), for: Configuration.parse("data: {normalize: scale}", source: ""))
    }
  }

  @Test(arguments: [(51, 2, 2), (50, 3, 2), (50, 2, 3)])
  func `The data must be those of the run`(examples: Int, features: Int, classes: Int) throws {
    func data(_ examples: Int, _ features: Int, _ classes: Int) -> TrainingData {
      let values = [Double](repeating: 1, count: examples * features)
      let set = Dataset(
        features: FeatureMatrix(values, shape: [features]), labels: [Int32](repeating: 0, count: examples),
        classCount: classes)
      return TrainingData(train: set, test: nil, normalization: .none, classCount: classes)
    }
    let state = try RunState(checkpoint(), for: Configuration())
    try state.check(data(50, 2, 2))
    let error = #expect(throws: ConfigurationError.self) { try state.check(data(examples, features, classes)) }
    #expect(error?.exitCode == 64)
    #expect(error?.key == "data.train")
  }
}
