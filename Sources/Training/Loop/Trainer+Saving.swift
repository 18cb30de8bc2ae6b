import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The output of a run: checkpoints and the model.
extension Trainer {
  /// The file of a model, with what `file` has before it. Local.
  private func modelFile(_ model: RunModel<Scalar>, behind file: TensorFile = TensorFile()) -> TensorFile {
    var file = file
    file.add(model.parameters, of: network)
    ModelFile.describe(
      network, modelConfiguration, data.normalization, DataDescription(of: data.train), in: &file)
    if let best = model.best { ModelFile.describe(best, in: &file) }
    if let average = model.average { ModelFile.describe(average, in: &file) }
    return file
  }

  /// Writes the model, if it is new or there is none yet. Collective.
  func saveModel(_ model: RunModel<Scalar>, isNew: Bool) throws {
    let path = coordinator.directory.model
    let isKept = !isNew && FileManager.default.fileExists(atPath: path)
    try coordinator.write {
      if !isKept { try Safetensors.save(modelFile(model), to: path) }
    }
    coordinator.say(isKept ? "the model is \(path), as it was" : "model saved to \(path)")
  }

  /// Starts saving a checkpoint; throws if its numbers are not finite. Collective.
  func beginSave() throws {
    if savedStep == step { return }
    if let divergence = try findDivergence() {
      coordinator.finishCheckpoints()
      coordinator.flush()
      throw failure(divergence)
    }
    savedStep = step
    lastState.endChange(nil)
    // A run that resumes from here needs the events up to here.
    coordinator.flush()
    coordinator.beginCheckpoint(step: step) { stateFile(progress, optimizer.memory) }
  }

  /// The current state, valid while parameters and memory do not change.
  var currentState: LastState.State? {
    guard communicator.isRoot else { return nil }
    let progress = progress
    var memory = optimizer.memory
    for (name, vector) in optimizer.earlyMemory {
      // Beside a long step the copy costs nothing; a signal waits for the end of a short one.
      if let lastSeconds, lastSeconds < 0.2 { return nil }
      let copy = Vector<Scalar>(zeros: vector.count)
      copy.assign(vector)
      memory[memory.firstIndex { $0.name == name }!].vector = copy
    }
    return LastState.State(step: step) { [unowned self, memory] in stateFile(progress, memory) }
  }

  /// How far the run is.
  private var progress: RunState.Progress {
    RunState.Progress(
      step: step, optimizer: optimizer.counters, examples: data.train.count, exchange: optimizer.message.exchange,
      ranks: communicator.size, sparse: network.takesSparseInputs, weights: data.weights?.checksum,
      data: data.checksum.map(RunState.text), validation: data.validationChecksum.map(RunState.text),
      selection: selection, average: average?.span, optimum: optimum)
  }

  /// The file of a checkpoint of this step. May be called on any thread.
  private func stateFile(
    _ progress: RunState.Progress, _ memory: [(name: String, vector: Vector<Scalar>)]
  ) -> TensorFile {
    let model = currentModel
    var file = TensorFile()
    if let average, model.average != nil { file.add(RunState.averageName, Tensor(average.values)) }
    file = modelFile(model, behind: file)
    if model.average != nil { file.add(parameters, of: network, prefix: RunState.ownPrefix) }
    RunState.add(progress, memory: memory, to: &file)
    // Parameters that are the best ones themselves need no copy.
    if let best, let step = progress.selection?.best?.step, step != progress.step {
      file.add(best, of: network, prefix: RunState.bestPrefix)
    }
    return file
  }

  /// The first part of a checkpoint that is not finite on some rank; nil if all are finite. Collective.
  private func findDivergence() throws -> Divergence? {
    let kept =
      network.layout.entries.map { ($0.name, parameters[$0.range]) }
      + optimizer.memory.map { ("optimizer.\($0.name)", $0.vector) }
      + [currentModel].compactMap { $0.average == nil ? nil : ("the average", $0.parameters) }
    let own = kept.firstIndex { !$0.1.isFinite } ?? kept.count
    let first = try communicator.allreduce(own, .min)
    return first == kept.count ? nil : Divergence(step: step, sign: "\(kept[first].0) is not finite")
  }

  /// Saves a checkpoint and waits until it is on disk. Collective.
  func save() throws {
    try beginSave()
    coordinator.finishCheckpoints()
    try coordinator.settle()
  }
}
