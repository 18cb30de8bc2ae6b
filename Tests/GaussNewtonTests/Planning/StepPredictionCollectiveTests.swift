import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@testable import GaussNewton

/// The exchanges of predicted steps against those of steps.
@Suite(.serialized) struct StepPredictionCollectiveTests {
  private typealias Counts = (reduced: Int, gathered: Int, iterations: Int)

  private let cluster = Cluster("test", ranksPerHost: 2, cores: 2, network: .ethernet(1e9))

  private func options(_ kind: SolverOptions.Kind, momentum: Double) -> GaussNewtonOptions {
    var options = exactOptions(damping: 1e-3)
    (options.solver.kind, options.momentum, options.solver.maxIterations) = (kind, momentum, 4)
    return options
  }

  /// What the second of two steps exchanges.
  private func counts(_ communicator: Communicator, _ advance: () throws -> StepReport) throws -> Counts {
    _ = try advance()
    let before = communicator.statistics
    let report = try advance()
    let used = communicator.statistics - before
    return (used.allreducedBytes, used.allgatheredBytes, report.solver?.iterations ?? 0)
  }

  private func expect(
    _ counts: Counts, _ problem: ToyProblem, _ kind: SolverOptions.Kind?, _ placement: PredictedStep.Placement,
    momentum: Double, on network: Network? = nil
  ) {
    let iterations = Double(counts.iterations)
    let method: PredictedStep.Method =
      switch kind {
      case nil: .firstOrder
      case .gram: .gram
      case .gramCG: .gramCG(iterations: iterations)
      default: .matrixFree(iterations: iterations)
      }
    let head = Network([Linear(inputs: problem.featureCount, outputs: problem.oracle.classCount)])
    var step = PredictedStep(
      network ?? head, batchSize: problem.rowCount, method: method, placement: placement, ranks: World.size)
    (step.predictsAnchor, step.width) = (momentum > 0, 8)
    let prediction = step.prediction(on: cluster)
    let reduced = prediction.bytes(.allreduce) + prediction.bytes(.reduceScatter)
    // Of a sum of all parameters, the numbers that travel with it are one to three.
    let slack = placement == .rows ? 24 * (2 + iterations) : 0
    #expect(abs(reduced - Double(counts.reduced)) <= slack, "\(placement), \(String(describing: kind))")
    #expect(prediction.bytes(.allgather) == Double(counts.gathered), "\(placement), \(String(describing: kind))")
    #expect((prediction[.communication] > 0) == (World.size > 1))
  }

  @Test(arguments: [12, 300], [0, 0.9])
  func `Have the sizes of a step's, whatever ranks share out`(classes: Int, momentum: Double) throws {
    let problem = ToyProblem(rows: 23, features: 4, classes: classes, largestMargin: 0.5, seed: 16)
    let communicator = World.communicator
    // One rank makes none.
    guard communicator.size > 1 else {
      for kind in [SolverOptions.Kind.cg, .gram, .gramCG] {
        let trial = Trial<Double>(problem, options(kind, momentum: momentum))
        let report = try trial.advance()
        let step = PredictedStep(
          Network([Linear(inputs: 4, outputs: classes)]), batchSize: 23,
          method: .matrixFree(iterations: Double(report.solver!.iterations)))
        #expect(step.prediction(on: cluster)[.communication] == 0)
      }
      return
    }
    for kind in [SolverOptions.Kind.cg, .gram, .gramCG] {
      let options = options(kind, momentum: momentum)
      let rows = Trial<Double>(problem, options)
      expect(
        try counts(communicator) { try rows.advance() }, problem, kind, .rows, momentum: momentum)
      let own = try ClassTrial<FastGaussNewton<Double>>(problem, options)
      expect(
        try counts(communicator) { try own.advance() }, problem, kind, .classes, momentum: momentum)
      let layers: [any Layer] = [
        Linear(inputs: 4, outputs: 6), Activation(.tanh, count: 6), LayerNormalization(shape: [6]),
      ]
      let deep = try ClassTrial<FastGaussNewton<Double>>(problem, options, on: layers)
      expect(
        try counts(communicator) { try deep.advance() }, problem, kind, .classes, momentum: momentum,
        on: deep.network)
    }
    let gradient = FirstOrderTrial<Double>(problem, FirstOrderOptions(.sgd(momentum: 0, nesterov: false)))
    expect(try counts(communicator) { try gradient.advance() }, problem, nil, .rows, momentum: 0)
  }

  @Test func `Slower links and more ranks have their price, and a phase each`() {
    let head = Network([Linear(inputs: 384, outputs: 4796)])
    func seconds(_ placement: PredictedStep.Placement, _ link: Link, ranks: Int = 64) -> StepPrediction {
      PredictedStep(head, batchSize: 512, method: .gram, placement: placement, ranks: ranks)
        .prediction(on: Cluster("test", ranksPerHost: 1, cores: 1, network: link))
    }
    let (slow, fast) = (Link.ethernet(1e9), Link.infiniBand100)
    #expect(seconds(.rows, slow)[.communication] > 10 * seconds(.rows, fast)[.communication])
    #expect(seconds(.rows, slow).total > 5 * seconds(.classes, slow).total)
    for placement in [PredictedStep.Placement.rows, .classes] {
      let (one, many) = (seconds(placement, fast, ranks: 1), seconds(placement, fast))
      for phase in [Phases.Phase.forward, .jvp, .vjp, .gram] { #expect(many[phase] < one[phase] / 30) }
      // Each rank factors the matrix.
      #expect(many[.solve] == one[.solve])
      #expect(one.total == Phases.Phase.allCases.reduce(0) { $0 + one[$1] })
    }
    // Only ranks that share out the classes have fewer parameters.
    #expect(seconds(.rows, fast)[.update] == seconds(.rows, fast, ranks: 1)[.update])
    #expect(seconds(.classes, fast)[.update] < seconds(.classes, fast, ranks: 1)[.update] / 30)
  }

  @Test func `Sparse rows cost their entries, and a share of the classes a share of the weights`() {
    let head = Network([SparseLinear(inputs: 30000, outputs: 4800)])
    func seconds(_ placement: PredictedStep.Placement, ranks: Int, entries: Double) -> StepPrediction {
      var step = PredictedStep(head, batchSize: 512, method: .gram, placement: placement, ranks: ranks)
      step.valuesPerRow = entries
      return step.prediction(on: Cluster("test", ranksPerHost: 1, cores: 1, network: .infiniBand100))
    }
    for placement in [PredictedStep.Placement.rows, .classes] {
      let (few, many) = (seconds(placement, ranks: 4, entries: 20), seconds(placement, ranks: 4, entries: 200))
      for phase in [Phases.Phase.forward, .jvp] { #expect(many[phase] > 5 * few[phase]) }
      #expect(many[.data] > few[.data])
    }
    let (one, four) = (seconds(.classes, ranks: 1, entries: 20), seconds(.classes, ranks: 4, entries: 20))
    for phase in [Phases.Phase.forward, .vjp, .update] { #expect(abs(one[phase] / four[phase] - 4) < 0.1, "\(phase)") }
    // Inputs travel as entries, with the numbers and the columns of each.
    let gathered = seconds(.rows, ranks: 4, entries: 20).bytes(.allgather)
    let inputs = 512.0 * (4 + 20 * 4 + 20 * 4)
    #expect(gathered == 24 * 4 + 4 * (3 * 512 + 512 * 4800 + 512 * 512) + inputs)
  }

  @Test func `Rates of this machine are those of a machine`() {
    let (rates, standard) = (MachineRates.measured(), MachineRates())
    for (rate, other) in zip(rates.values, standard.values) { #expect(rate >= 0 && rate < 1000 * other) }
    #expect(rates.product > 0 && rates.memory > 0 && rates != standard)
    var copy = MachineRates()
    copy.values = rates.values
    #expect(copy == rates)
  }
}
