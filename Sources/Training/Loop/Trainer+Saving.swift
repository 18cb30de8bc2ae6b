import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The output of a run: checkpoints and the model.
extension Trainer {
  /// The metadata of a file of a model.
  private func metadata(of model: RunModel<Scalar>) -> TensorFile {
    var file = TensorFile()
    ModelFile.describe(
      network, modelConfiguration, data.normalization, DataDescription(of: data.train), in: &file)
    if let best = model.best { ModelFile.describe(best, in: &file) }
    if let average = model.average { ModelFile.describe(average, in: &file) }
    return file
  }

  /// Writes the model, if it is new or there is none yet. Collective.
  func saveModel(_ model: RunModel<Scalar>, isNew: Bool) throws {
    let path = coordinator.directory.model
    let isMissing = try communicator.broadcast(FileManager.default.fileExists(atPath: path) ? 0 : 1) == 1
    let isWritten = isNew || isMissing
    if isWritten {
      let numbers = [SavedNumbers.parameters(model.parameters)]
      if share.classes != nil {
        try saveTogether(numbers, describedBy: metadata(of: model), to: path)
      } else {
        try coordinator.write {
          try Safetensors.save(share.wholeFile(numbers, describedBy: metadata(of: model)), to: path)
        }
      }
    }
    coordinator.mirrorModel(step: step, isNew: isWritten)
    coordinator.say(isWritten ? "model saved to \(path)" : "the model is \(path), as it was")
  }

  /// Whether a checkpoint is due, by steps or by time. Collective.
  func isSaveDue() throws -> Bool {
    saveClock.note(writing: coordinator.writingSeconds)
    coordinator.tell(saveClock.plan, step: step)
    let every = configuration.checkpoint.every
    if every > 0, step % every == 0 { return true }
    return try saveClock.isDue(after: step, secondsPerStep: lastSeconds ?? 0, over: communicator)
  }

  /// Starts saving a checkpoint that is due. Collective.
  func saveInTime() throws {
    let start = ContinuousClock.now
    try beginSave()
    saveClock.restart(cost: (ContinuousClock.now - start) / .seconds(1))
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
    if share.classes == nil {
      return coordinator.beginCheckpoint(step: step) { stateFile(progress, optimizer.memory) }
    }
    let (numbers, description) = state(progress, optimizer.memory)
    try coordinator.saveCheckpoint(step: step, soundStep: RunState.soundStep(of: description)) {
      try saveTogether(numbers, describedBy: description, to: $0)
    }
  }

  /// Writes a file of which each rank of the first group has a part. Collective.
  private func saveTogether(
    _ numbers: [SavedNumbers<Scalar>], describedBy description: TensorFile, to path: String
  ) throws {
    let classes = share.classes!
    try communicator.on(classes.rows.isRoot) {
      try Safetensors.save(share.file(numbers, describedBy: description), to: path, over: classes.communicator)
    }
  }

  /// The current state, valid while parameters and memory do not change.
  var currentState: LastState.State? {
    // Where ranks share out classes, a signal waits for the end of the step: all write together.
    guard communicator.isRoot, share.classes == nil else { return nil }
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
      selection: selection, average: average?.span, optimum: optimum,
      backOff: backOff.isEmpty ? nil : backOff)
  }

  /// The file of a checkpoint of this step, where this rank has all parameters. May be called on any thread.
  private func stateFile(
    _ progress: RunState.Progress, _ memory: [(name: String, vector: Vector<Scalar>)]
  ) -> TensorFile {
    let (numbers, description) = state(progress, memory)
    return share.wholeFile(numbers, describedBy: description)
  }

  /// The numbers of a checkpoint of this step in their order, and its metadata.
  private func state(
    _ progress: RunState.Progress, _ memory: [(name: String, vector: Vector<Scalar>)]
  ) -> (numbers: [SavedNumbers<Scalar>], description: TensorFile) {
    let model = currentModel
    var numbers: [SavedNumbers<Scalar>] = []
    if let average, model.average != nil { numbers.append(.average(average.values)) }
    numbers.append(.parameters(model.parameters))
    if model.average != nil { numbers.append(.parameters(parameters, prefix: RunState.ownPrefix)) }
    numbers += memory.map { .memory($0.name, $0.vector) }
    // Parameters that are the best ones themselves need no copy.
    if let best, let step = progress.selection?.best?.step, step != progress.step {
      numbers.append(.parameters(best, prefix: RunState.bestPrefix))
    }
    var description = metadata(of: model)
    RunState.describe(progress, in: &description)
    return (numbers, description)
  }

  /// The first part of a checkpoint that is not finite on some rank; nil if all are finite. Collective.
  private func findDivergence() throws -> Divergence? {
    let kept =
      share.own.layout.entries.map { ($0.name, parameters[$0.range]) }
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
