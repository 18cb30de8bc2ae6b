import Datasets
import LinearAlgebra
import Testing

@testable import Training

/// What becomes of the average of a run that goes on under other settings, after 7 steps of 20.
@Suite struct RunStateAverageTests: CheckpointSuite {
  private var data: TrainingData {
    let set = Dataset(
      features: FeatureMatrix([Double](repeating: 1, count: 100), shape: [2]),
      labels: [Int32](repeating: 0, count: 50), classCount: 2)
    return TrainingData(train: set, test: nil, normalization: .none, classCount: 2)
  }

  private func configuration(_ overrides: [String]) throws -> Configuration {
    try Configuration.parse("training: {steps: 20}", source: "", overrides: overrides)
  }

  private func state(_ saved: [String], _ new: [String]) throws -> RunState {
    let saved = try configuration(saved)
    var span = AverageSpan(saved.training.average, steps: 20)
    for step in 1...7 { _ = span?.include(step: step) }
    var file = checkpoint(
      saved, RunState.Progress(step: 7, optimizer: .init(damping: 0.125), examples: 50, average: span))
    if span?.isEmpty == false {
      file.add(Vector<Float>((0..<6).map { Float($0) }), of: network, prefix: RunState.ownPrefix)
      file.add(RunState.averageName, Tensor((0..<6).map { Double($0) / 3 }))
    }
    return try RunState(file, for: configuration(new))
  }

  private let tail = ["training.average={kind: tail, from: 0.2}"]

  @Test func `An average goes on with its numbers, beside the parameters of the step`() throws {
    for settings in [tail, ["training.average=ema"], ["training.average={kind: ema, decay: 0.5}"]] {
      let state = try state(settings, settings)
      let (span, note) = state.average(data)
      #expect(span == state.progress.average && span?.isEmpty == false && note == nil)
      let average: WeightAverage<Float> = try state.average(span!, of: network)
      #expect(average.values.array == (0..<6).map { Double($0) / 3 })
      let parameters: Vector<Float> = try state.parameters(of: network)
      #expect(parameters.array == [0, 1, 2, 3, 4, 5])
      let model: Vector<Float> = try state.bestParameters(of: network, nil)
      #expect(model.array == [0, 0, 0, 0, 0, 0])
    }
  }

  @Test func `The beginning of a tail is that of the plan that the run began with`() throws {
    for settings in [tail, ["training.average=tail"]] {
      let state = try state(settings, settings + ["training.steps=200"])
      let (span, note) = state.average(data)
      #expect(span?.first == (settings == tail ? 5 : 11) && note == nil)
    }
  }

  @Test func `A decay that is not given is that of the checkpoint`() throws {
    let state = try state(["training.average={kind: ema, decay: 0.5}"], ["training.average=ema"])
    #expect(state.configuration.training.average.decay == 0.5)
    #expect(state.average(data).note == nil && state.average(data).span?.decay == 0.5)
  }

  @Test func `Under another setting the average begins anew, and a line says so`() throws {
    let cases: [([String], [String], Int, String)] = [
      ([], tail, 8, "training.average.kind is tail and was none"),
      ([], ["training.average=tail"], 11, "training.average.kind is tail and was none"),
      (tail, ["training.average=ema"], 8, "training.average.kind is ema and was tail"),
      (tail, ["training.average={kind: tail, from: 0.9}"], 19, "training.average.from is 0.9 and was 0.2"),
      (["training.average=ema"], ["training.average={kind: ema, decay: 0.5}"], 8, "decay is 0.5 and was 0.999"),
    ]
    for (old, new, first, reason) in cases {
      let state = try state(old, new)
      let (span, note) = state.average(data)
      #expect(span?.first == first && span?.isEmpty == true)
      #expect(note?.contains("begins anew with step \(first), for ") == true && note?.contains(reason) == true)
      #expect(try state.notes(data).contains(note!))
      let average: WeightAverage<Float> = try state.average(span!, of: network)
      #expect(average.values.array == [0, 0, 0, 0, 0, 0])
    }
    // What the kind does not read is no change.
    #expect(try state(["training.average=ema"], ["training.average={kind: ema, from: 0.1}"]).average(data).note == nil)
  }

  @Test func `Without an average the run goes on with the parameters of the step`() throws {
    let state = try state(tail, [])
    let (span, note) = state.average(data)
    #expect(span == nil && note?.contains("without the average of steps 5 to 7") == true)
    let parameters: Vector<Float> = try state.parameters(of: network)
    #expect(parameters.array == [0, 1, 2, 3, 4, 5])
    // Nothing is lost where it has not begun.
    #expect(try self.state(["training.average=tail"], []).average(data).note == nil)
    let plain = try self.state([], []).average(data)
    #expect(plain.span == nil && plain.note == nil)
  }

  @Test func `A run without a step to take keeps what it has`() throws {
    let state = try state(tail, ["training.steps=7"])
    #expect(state.average(data).span == state.progress.average && state.average(data).note == nil)
    #expect(state.noteOnDone.contains("training.average.kind none (was tail)"))
  }

  @Test func `A checkpoint that lacks its parameters or its average is refused`() throws {
    let saved = try configuration(tail)
    var span = AverageSpan(saved.training.average, steps: 20)
    for step in 1...7 { _ = span?.include(step: step) }
    let file = checkpoint(
      saved, RunState.Progress(step: 7, optimizer: .init(damping: 0.125), examples: 50, average: span))
    let state = try RunState(file, for: saved)
    let own = #expect(throws: StorageError.self) { let _: Vector<Float> = try state.parameters(of: network) }
    let average = #expect(throws: StorageError.self) {
      let _: WeightAverage<Float> = try state.average(span!, of: network)
    }
    #expect(own?.section.contains("run.model.0.weight") == true && own?.exitCode == 65)
    #expect(average?.section.contains("average") == true && average?.exitCode == 65)
    let other = checkpoint(
      saved, RunState.Progress(step: 8, optimizer: .init(damping: 0.125), examples: 50, average: span))
    let error = #expect(throws: StorageError.self) { try RunState(other, for: saved) }
    #expect(error?.exitCode == 65 && error?.section.contains("fgn.progress") == true)
  }

  @Test func `A checkpoint that is older than averages goes on as before`() throws {
    var file = checkpoint(try configuration([]))
    let key = "fgn.configuration"
    let saved = try #require(file.metadata[key])
    file.metadata[key] = saved.replacing(/"average":\{[^}]*\},/, with: "")
    #expect(file.metadata[key] != saved && file.metadata["fgn.progress"]?.contains("average") == false)
    let state = try RunState(file, for: configuration([]))
    #expect(state.average(data).span == nil && state.average(data).note == nil && state.differences.isEmpty)
    let anew = try RunState(file, for: configuration(tail))
    #expect(anew.average(data).span?.first == 8)
  }
}
