import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks

extension Double {
  /// Four significant digits, for people.
  package var short: String { String(format: "%.4g", self) }

  /// As a percentage with two decimals.
  package var percent: String { String(format: "%.2f %%", 100 * self) }
}

extension Evaluation: CustomStringConvertible {
  package var description: String {
    "loss \(loss.short)  accuracy \(accuracy.percent)  top-5 \(top5Accuracy.percent)  (\(examples) examples)"
  }
}

extension MetricsEvent.Run {
  package init(
    step: Int, version: String, mpi: String, ranks: Int, _ configuration: Configuration, _ data: TrainingData,
    parameters: Int, memory: MemoryEstimate
  ) {
    self.init(
      step: step, version: version, ranks: ranks, threads: Threads.count, mpi: mpi, kernel: Threads.kernelName,
      precision: configuration.training.precision.rawValue, examples: data.train.count,
      features: data.train.featureCount, classes: data.classCount, parameters: parameters,
      stepMemory: memory.step, evaluationMemory: memory.evaluation, checkpointMemory: memory.checkpoint)
  }
}

extension MetricsEvent.Step {
  init(
    step: Int, epoch: Int, _ report: StepReport, rate: Double, seconds: Double, phases: Phases,
    traffic: Communicator.Statistics
  ) {
    self.init(
      step: step, epoch: epoch, loss: report.loss, gradientNorm: report.gradientNorm, stepNorm: report.stepNorm,
      damping: report.damping, reductionRatio: report.reductionRatio.flatMap { $0.isFinite ? $0 : nil },
      stepLength: report.stepLength,
      learningRate: rate, accepted: report.accepted, solver: report.solver?.method.rawValue,
      solverIterations: report.solver?.iterations, residual: report.solver?.residual,
      termination: report.solver?.termination.rawValue, seconds: seconds,
      phases: Dictionary(uniqueKeysWithValues: phases.summary.map { ($0.phase.rawValue, $0.seconds) }),
      allreduces: traffic.allreduces, allreducedBytes: traffic.allreducedBytes,
      allgathers: traffic.allgathers, allgatheredBytes: traffic.allgatheredBytes)
  }
}

extension MetricsEvent.Evaluation {
  init(step: Int, epoch: Int, split: String, _ result: Evaluation) {
    self.init(
      step: step, epoch: epoch, split: split, loss: result.loss, accuracy: result.accuracy,
      top5Accuracy: result.top5Accuracy, examples: result.examples)
  }
}
