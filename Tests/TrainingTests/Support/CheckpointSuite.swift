import GaussNewton
import LinearAlgebra
import MPI
import Networks

@testable import Training

/// Tests with checkpoints of a linear head for two features and two classes, after 7 steps on 50 examples.
protocol CheckpointSuite {}

extension CheckpointSuite {
  var network: Network { Network([Linear(inputs: 2, outputs: 2)]) }

  func checkpoint(
    _ configuration: Configuration = Configuration(),
    _ progress: RunState.Progress = .init(step: 7, optimizer: .init(damping: 0.125), examples: 50),
    memory: [(name: String, vector: Vector<Float>)] = [], data: DataDescription = DataDescription()
  ) -> TensorFile {
    var file = ModelFile.contents(Vector<Float>(zeros: 6), of: network, configuration, .none, data)
    file.add(progress, memory: memory)
    file.path = "c.safetensors"
    return file
  }

  func optimizer(_ configuration: Configuration) -> any Optimizer<Float> {
    configuration.optimizer.makeOptimizer(
      ParameterShare(network), batchSize: 1, partition: RowPartition(), over: Communicator())
  }
}

extension TensorFile {
  /// Adds the state of a run to the file of its model.
  mutating func add(_ progress: RunState.Progress, memory: [(name: String, vector: Vector<Float>)]) {
    RunState.describe(progress, in: &self)
    for (name, vector) in memory { add("optimizer.\(name)", Tensor(vector)) }
  }
}
