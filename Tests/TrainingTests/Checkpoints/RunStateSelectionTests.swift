import Datasets
import LinearAlgebra
import Testing

@testable import Training

/// What becomes of the best model of a run that goes on under other settings.
@Suite struct RunStateSelectionTests: CheckpointSuite {
  private func data(hasValidation: Bool = true, checksum: UInt64? = 5) -> TrainingData {
    let set = Dataset(
      features: FeatureMatrix([Double](repeating: 1, count: 100), shape: [2]),
      labels: [Int32](repeating: 0, count: 50), classCount: 2)
    return TrainingData(
      train: set, validation: hasValidation ? set : nil, test: nil, normalization: .none,
      validationChecksum: hasValidation ? checksum : nil, classCount: 2)
  }

  private func configuration(_ overrides: [String], hasValidation: Bool = true) throws -> Configuration {
    let files = hasValidation ? ", validation: {features: a, labels: b}" : ""
    return try Configuration.parse("data: {train: {features: a, labels: b}\(files)}", source: "", overrides: overrides)
  }

  private var selection: ModelSelection {
    var selection = ModelSelection(by: .loss)
    for (step, loss) in [(0, 3.0), (4, 1), (7, 2)] {
      _ = selection.observe(
        Evaluation(examples: 1, loss: loss, accuracy: 0, top5Accuracy: 0, balancedAccuracy: 0), step: step)
    }
    return selection
  }

  private func state(
    _ saved: [String] = [], _ new: [String] = [], hasValidation: Bool = true, selection: ModelSelection?
  ) throws -> RunState {
    let progress = RunState.Progress(
      step: 7, optimizer: .init(damping: 0.125), examples: 50, validation: RunState.text(checksum: 5),
      selection: selection)
    var file = checkpoint(try configuration(saved), progress)
    file.add(Vector<Float>((0..<6).map { Float($0) }), of: network, prefix: RunState.bestPrefix)
    return try RunState(file, for: configuration(new, hasValidation: hasValidation))
  }

  @Test func `The best model goes on with its parameters and the count of evaluations`() throws {
    let state = try state(selection: selection)
    let (found, note) = state.selection(data())
    #expect(found == selection && note == nil)
    let best: Vector<Float> = try state.bestParameters(of: network, found)
    #expect(best.array.sorted() == [0, 1, 2, 3, 4, 5])
    let plain = try self.state(["training.keep=last"], ["training.keep=last"], selection: selection)
    #expect(plain.selection(data()).selection == selection)
    // Steps between evaluations, and patience, may change.
    let other = try self.state([], ["training.evaluate_every_steps=2", "training.patience=5"], selection: selection)
    #expect(other.selection(data()).selection == selection)
  }

  @Test func `The best model is sought anew where the old one is no measure, and a line says so`() throws {
    let cases: [(RunState, TrainingData, String)] = [
      (try state([], ["training.best_by=accuracy"], selection: selection), data(), "training.best_by is accuracy"),
      (try state(selection: selection), data(checksum: 6), "other examples"),
      (try state(selection: nil), data(), "without data.validation"),
      (try state(["training.keep=last"], selection: selection), data(), "training.keep is best and was last"),
    ]
    for (state, data, reason) in cases {
      let (found, note) = state.selection(data)
      #expect(found == ModelSelection(by: state.configuration.training.bestBy))
      #expect(note?.contains(reason) == true && note?.contains("from step 7 on") == true, "\(note ?? "")")
      #expect(try state.notes(data).contains(note!))
    }
  }

  @Test func `Without a validation set there is no best model any more`() throws {
    let (found, note) = try state(hasValidation: false, selection: selection).selection(data(hasValidation: false))
    #expect(found == nil && note?.contains("without a best model") == true)
    let (none, silent) = try state(hasValidation: false, selection: nil).selection(data(hasValidation: false))
    #expect(none == nil && silent == nil)
  }

  @Test func `A run that has lost its patience is done until that is raised`() throws {
    let ended = try state([], ["training.patience=1"], selection: selection)
    #expect(ended.isDone(data()) && ended.selection(data()).selection == selection)
    #expect(ended.noteOnDone.contains("ended by training.patience after step 7"))
    #expect(!ended.noteOnDone.contains("without"))
    #expect(try !state([], ["training.patience=2"], selection: selection).isDone(data()))
    let changed = try state([], ["training.patience=1", "training.epochs=20"], selection: selection)
    #expect(changed.noteOnDone.contains("raise training.patience to go on"))
  }
}
