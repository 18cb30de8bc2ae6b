import Datasets
import LinearAlgebra
import Networks
import Testing

@testable import Training

@Suite struct RunStateTests {
  private let network = Network([Linear(inputs: 2, outputs: 2)])

  private func checkpoint(
    _ configuration: Configuration = Configuration(),
    _ progress: RunState.Progress = .init(step: 7, damping: 0.125, examples: 50), lastStep: [Float]? = nil
  ) -> TensorFile {
    var file = ModelFile.contents(Vector<Float>(zeros: 6), of: network, configuration, .none)
    RunState.add(progress, lastStep: lastStep.map { Vector($0) }, to: &file)
    file.path = "c.safetensors"
    return file
  }

  @Test func progressAndTheLastStepComeBack() throws {
    let folder = TemporaryFolder()
    try Safetensors.save(checkpoint(lastStep: [1, 2, 3, 4, 5, 6]), to: folder.path("c"))
    let state = try RunState(Safetensors.load(path: folder.path("c"), requireChecksum: true), for: Configuration())
    #expect(state.progress == RunState.Progress(step: 7, damping: 0.125, examples: 50))
    let last: Vector<Float> = try state.contents.vector(named: RunState.lastStepName, shape: [6])
    #expect(last.array == [1, 2, 3, 4, 5, 6])
    #expect(try ModelFile.parameters(of: network, in: state.contents, as: Float.self).count == 6)
  }

  @Test func dampingComesBackToTheLastBit() throws {
    for damping in [0.1, 1.0 / 3, 1e-300, 1.0.nextUp, 1e6 / 1.5 / 1.5 / 1.5] {
      let file = checkpoint(Configuration(), .init(step: 1, damping: damping, examples: 5))
      #expect(try RunState(file, for: Configuration()).progress.damping == damping)
    }
  }

  @Test(
    "settings that decide the course of a run cannot change",
    arguments: [
      "optimizer.batch_size=8", "optimizer.batch_size=full", "training.seed=5", "training.precision=float64",
      "training.drop_last=true", "data.normalize=none", "model.layers=[tanh]", "model.input_shape=[1, 2]",
      "model.channels=last",
    ])
  func fixedSettings(override: String) throws {
    let changed = try Configuration.parse("", source: "", overrides: [override])
    let error = #expect(throws: ConfigurationError.self) { try RunState(checkpoint(), for: changed) }
    #expect(error?.exitCode == 64)
    #expect(error?.key == String(override.split(separator: "=")[0]))
    #expect(error?.description.contains("c.safetensors") == true)
    _ = try RunState(checkpoint(changed), for: changed)
  }

  @Test(
    "other settings may change",
    arguments: [
      "training.epochs=99", "training.steps=99", "optimizer.learning_rate=0.1", "checkpoint.every=1",
      "optimizer.momentum=0", "logging.every=5", "data.train.format=npy",
    ])
  func freeSettings(override: String) throws {
    let changed = try Configuration.parse("", source: "", overrides: [override])
    #expect(try RunState(checkpoint(), for: changed).progress.step == 7)
  }

  @Test("impossible progress is refused", arguments: [(-1, 0.1), (1, 0), (1, -0.5)])
  func impossibleProgress(step: Int, damping: Double) {
    let file = checkpoint(Configuration(), .init(step: step, damping: damping, examples: 50))
    let error = #expect(throws: StorageError.self) { try RunState(file, for: Configuration()) }
    #expect(error?.exitCode == 65)
    #expect(error?.section.contains("fgn.progress") == true)
  }

  @Test func aModelIsNoCheckpoint() {
    var file = checkpoint()
    file.metadata["fgn.progress"] = nil
    let error = #expect(throws: StorageError.self) { try RunState(file, for: Configuration()) }
    #expect(error?.exitCode == 65)
  }

  @Test("the data must be those of the run", arguments: [(51, 2, 2), (50, 3, 2), (50, 2, 3)])
  func otherData(examples: Int, features: Int, classes: Int) throws {
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
