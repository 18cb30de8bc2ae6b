import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

/// The course of one training, with the facts that a study needs.
struct TrainingCourse {
  struct Point {
    var epoch: Int
    var seconds: Double
    var passes: Double
    var trainLoss: Double
    var testLoss: Double
    var testAccuracy: Double
    var probe: MarginStatistics

    var fields: [String: String] {
      [
        "epoch": "\(epoch)", "seconds": field(seconds), "passes": field(passes), "train_loss": field(trainLoss),
        "test_loss": field(testLoss), "test_accuracy": field(testAccuracy), "effective": field(probe.effective),
        "weight": field(probe.weight), "dropped": field(probe.dropped),
      ]
    }
  }

  /// Trains, and evaluates the model before each epoch and at the end. Collective; the same on all ranks. A run that
  /// diverges ends with a loss of NaN.
  static func run(
    _ configuration: Configuration, _ data: TrainingData, over communicator: Communicator
  ) throws -> [Point] {
    let network = try configuration.network(for: data)
    let options = configuration.optimizer
    var sampler = configuration.sampler(of: data.train)
    let partition = RowPartition(rank: communicator.rank, ranks: communicator.size)
    let optimizer: any Optimizer<Float> = options.makeOptimizer(
      ParameterShare(network), batchSize: sampler.batchSize, partition: partition, over: communicator)
    let parameters: Vector<Float> = try configuration.model.initialParameters(
      of: network, seed: configuration.training.seed)
    let evaluator = Evaluator<Float>(network, communicator: communicator)
    let room = InputRoom<Float>(network, capacity: partition.capacity(of: sampler.batchSize))
    // The margins give a mean, for which the first examples suffice.
    let probed = 0..<min(2000, data.train.count)
    let probeRoom = InputRoom<Float>(network, capacity: probed.count)
    let probeInputs = probeRoom.gather(probed, of: data.train.features, data.normalization)
    let forward = ForwardPass<Float>(network, capacity: probed.count)

    var (seconds, passes) = (0.0, 0.0)
    func look(_ epoch: Int) throws -> Point {
      let train = try evaluator.evaluate(parameters, on: data.train, normalization: data.normalization)
      let test = try data.test.map { try evaluator.evaluate(parameters, on: $0, normalization: data.normalization) }
      return Point(
        epoch: epoch, seconds: seconds, passes: passes, trainLoss: train.loss, testLoss: test?.loss ?? .nan,
        testAccuracy: test?.accuracy ?? .nan,
        probe: MarginStatistics(forward(parameters, probeInputs), data.train.labels[probed]))
    }

    let total = configuration.training.epochs * sampler.batchesPerEpoch
    var course = [try look(0)]
    for step in 0..<total {
      let (epoch, number) = sampler.position(ofStep: step)
      let rows = sampler.batch(epoch: epoch, step: number)
      let own = partition.own(of: rows)
      let batch = Batch(
        inputs: room.gather(own, of: data.train.features, data.normalization),
        labels: own.map { data.train.labels[$0] }[...], globalSize: rows.count)
      if step == 0, let optimizer = optimizer as? FastGaussNewton<Float> {
        try optimizer.makePlan(
          parameters, on: batch, batchSize: sampler.batchSize, valuesPerRow: data.train.features.valuesPerRow)
      }
      let rate = options.schedule.rate(step: step, of: total, peak: options.learningRate)
      let start = ContinuousClock.now
      let report = try optimizer.advance(
        parameters, on: batch, rate: rate, interrupt: Preemption.requested != nil)
      if report.interrupted { throw CollectiveFailure(StudyInterruption()) }
      seconds += try communicator.allreduce((ContinuousClock.now - start) / .seconds(1), .max)
      passes += Self.passes(report, options)
      if number + 1 == sampler.batchesPerEpoch || !report.loss.isFinite {
        course.append(try look(epoch + 1))
        if !report.loss.isFinite { break }
      }
    }
    return course
  }

  /// A gradient is two passes. An iteration of conjugate gradient is two, with the matrix none; momentum takes one where it is
  /// not looked ahead for, and a trial loss one.
  private static func passes(_ report: StepReport, _ options: Configuration.OptimizerOptions) -> Double {
    guard let solver = report.solver else { return 2 }
    let isMatrixFree = solver.method == .cg
    let anchor = options.momentum > 0 && !options.nesterov ? 1 : 0
    // The matrix of a batch takes the rows' gradients before the solve, and their sum after it.
    return Double(2 + (isMatrixFree ? 2 * solver.iterations : 1) + anchor) + (report.reductionRatio == nil ? 0 : 1)
  }
}
