import Foundation
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@testable import GaussNewton

@Suite(.serialized) struct SolverPlanCollectiveTests {
  func plan(iterations: Double, gram: Double, gramCG: Double = 1) -> SolverPlan {
    SolverPlan(matrixFree: 0.01, iteration: 0.01, gram: gram, gramCG: gramCG, iterations: iterations)
  }

  @Test func `The cheapest solver is chosen, and the exact one if it costs a tenth more at most`() {
    #expect(plan(iterations: 5, gram: 0.07).best == .cg)
    #expect(plan(iterations: 5, gram: 0.065).best == .gram)
    #expect(plan(iterations: 7, gram: 0.07).best == .gram)
    #expect(plan(iterations: 7, gram: 0.07, gramCG: 0.06).best == .gramCG)
    #expect(plan(iterations: 7, gram: 0.07, gramCG: 0.068).best == .gram)
  }

  @Test func `The expected iterations follow those of the run`() {
    var plan = plan(iterations: 2, gram: 0.1)
    for _ in 0..<100 { plan.observe(.cg, iterations: 20) }
    #expect(abs(plan.iterations - 20) < 1e-3)
    #expect(plan.best == .gram)
    for _ in 0..<100 { plan.observe(.gram, iterations: 1) }
    #expect(abs(plan.iterations - 20) < 1e-3)
  }

  @Test func `With the matrix conjugate gradient has iterations of its own`() {
    var plan = SolverPlan(
      matrixFree: 0.01, iteration: 0.01, gram: 0.1, gramCG: 0.02, gramIteration: 0.001, iterations: 5, source: .model)
    #expect(plan.seconds(.gramCG) == 0.025)
    #expect(plan.best == .gramCG)
    for _ in 0..<100 { plan.observe(.gramCG, iterations: 1) }
    #expect(plan.best == .cg)
  }

  @Test func `A plan from before there was a model goes on as it was measured`() throws {
    let text = #"{"gram": 0.1, "gramCG": 0.03, "iteration": 0.01, "iterations": 4, "matrixFree": 0.01}"#
    var plan = try JSONDecoder().decode(SolverPlan.self, from: Data(text.utf8))
    #expect(plan.isMeasured && plan.best == .gramCG)
    plan.observe(.gramCG, iterations: 40)
    #expect(plan.seconds(.gramCG) == 0.03 && plan.iterations == 4)
  }

  @Test func `A matrix that does not fit, or costs more than any iterations, is not tried`() {
    let head = Network([Linear(inputs: 512, outputs: 1000)])
    #expect(SolverPlan.isCandidate(batchSize: 512, head))
    #expect(!SolverPlan.isCandidate(batchSize: 60000, head))
    #expect(!SolverPlan.isCandidate(batchSize: 4096, Network([Linear(inputs: 4, outputs: 3)])))
  }

  /// Milliseconds per solve on one thread, the smallest of several runs: an AMD EPYC (Zen 4), float32, momentum.
  struct Measurement: CustomStringConvertible, Sendable {
    let batch: Int
    let widths: [Int]
    var metric = MetricOptions.Kind.identity
    let iterations: Double
    let cg, gram, gramCG: Double

    var description: String { "\(batch) rows, \(widths), \(metric)" }

    func seconds(_ kind: SolverOptions.Kind) -> Double {
      switch kind {
      case .gram: gram
      case .gramCG: gramCG
      default: cg
      }
    }

    var network: Network {
      var layers: [any Layer] = []
      for (inputs, outputs) in zip(widths, widths.dropFirst()) {
        if !layers.isEmpty { layers.append(Activation(.tanh, count: inputs)) }
        layers.append(Linear(inputs: inputs, outputs: outputs))
      }
      return Network(layers)
    }
  }

  static let measurements = [
    Measurement(batch: 64, widths: [64, 10], iterations: 7, cg: 0.2521, gram: 0.0703, gramCG: 0.1034),
    Measurement(batch: 256, widths: [64, 10], iterations: 5, cg: 0.2745, gram: 0.2711, gramCG: 0.2099),
    Measurement(batch: 512, widths: [16, 26], iterations: 3, cg: 0.2308, gram: 0.947, gramCG: 0.3863),
    Measurement(batch: 64, widths: [512, 1000], iterations: 2, cg: 7.419, gram: 2.123, gramCG: 2.07),
    Measurement(batch: 128, widths: [512, 1000], iterations: 1, cg: 11.46, gram: 3.947, gramCG: 3.861),
    Measurement(batch: 512, widths: [512, 1000], iterations: 1, cg: 32.62, gram: 17.46, gramCG: 18.29),
    Measurement(batch: 1024, widths: [512, 1000], iterations: 1, cg: 62.92, gram: 52.44, gramCG: 47.31),
    Measurement(batch: 512, widths: [512, 100], iterations: 1, cg: 3.12, gram: 4.545, gramCG: 3.633),
    Measurement(batch: 2048, widths: [512, 100], iterations: 1, cg: 16.22, gram: 82.64, gramCG: 41.96),
    Measurement(batch: 512, widths: [784, 10], iterations: 5, cg: 2.399, gram: 4.596, gramCG: 2.978),
    Measurement(batch: 256, widths: [512, 10000], iterations: 1, cg: 186.6, gram: 81.07, gramCG: 80.61),
    Measurement(batch: 256, widths: [256, 300], iterations: 1, cg: 2.381, gram: 1.595, gramCG: 1.473),
    Measurement(batch: 1024, widths: [1024, 50], iterations: 1, cg: 7.041, gram: 24.96, gramCG: 19.85),
    Measurement(batch: 256, widths: [2048, 20], iterations: 3, cg: 3.022, gram: 2.797, gramCG: 2.569),
    Measurement(batch: 4096, widths: [256, 200], iterations: 1, cg: 30.35, gram: 437.2, gramCG: 124.7),
    Measurement(
      batch: 512, widths: [784, 256, 128, 10], metric: .kronecker, iterations: 1, cg: 39.7, gram: 26.82, gramCG: 22.67),
    Measurement(
      batch: 128, widths: [512, 300, 1000], metric: .kronecker, iterations: 1, cg: 64.86, gram: 11.02, gramCG: 13.56),
    Measurement(
      batch: 1024, widths: [256, 256, 100], metric: .kronecker, iterations: 1, cg: 21.16, gram: 33.97, gramCG: 28.3),
    Measurement(batch: 512, widths: [784, 512, 512, 10], iterations: 2, cg: 81.62, gram: 33.39, gramCG: 35.82),
    Measurement(batch: 1024, widths: [256, 256, 100], iterations: 1, cg: 15.98, gram: 24.92, gramCG: 18.59),
  ]

  // The measurements exclude the inverses of a metric, which are computed once per interval.
  @Test(arguments: measurements)
  func `The model's choice takes at most a fifth more than the best solver took`(_ case: Measurement) {
    var options = plainOptions()
    (options.momentum, options.metric.kind, options.metric.interval) = (0.9, `case`.metric, 1_000_000)
    let costs = SolverCosts(
      `case`.network, options, batchSize: `case`.batch, rates: MachineRates(kernel: "Cooperlake"))
    let plan = costs.plan(iterations: `case`.iterations)
    let best = [SolverOptions.Kind.cg, .gram, .gramCG].map(`case`.seconds).min()!
    #expect(`case`.seconds(plan.best) <= 1.2 * best)
    for kind in [SolverOptions.Kind.cg, .gram, .gramCG] {
      #expect((0.5...2).contains(1e3 * plan.seconds(kind) / `case`.seconds(kind)), "\(kind)")
    }
  }

  @Test func `Ranks on several hosts, threads and wider numbers have their price`() {
    let network = Network([Linear(inputs: 512, outputs: 1000)])
    var options = plainOptions()
    options.momentum = 0.9
    let one = SolverCosts(network, options, batchSize: 512, rates: MachineRates())
    func seconds(_ kind: SolverOptions.Kind, _ change: (inout SolverCosts) -> Void) -> Double {
      var costs = one
      change(&costs)
      return costs.plan(iterations: 10).seconds(kind)
    }
    for kind in [SolverOptions.Kind.cg, .gram, .gramCG] {
      let alone = seconds(kind) { _ in }
      #expect(seconds(kind) { $0.threads = 2 } < 0.7 * alone)
      #expect(seconds(kind) { $0.width = 8 } > 1.7 * alone)
      #expect(seconds(kind) { $0.ranks = 2 } < alone)
      #expect(seconds(kind) { ($0.ranks, $0.hosts) = (2, 2) } > seconds(kind) { $0.ranks = 2 })
    }
  }

  @Test func `A plan by the model is the same each time and on all ranks, and moves no parameters`() throws {
    let problem = ToyProblem(rows: 40, features: 30, classes: 20, largestMargin: 1, seed: 5)
    var plans: [SolverPlan] = []
    for _ in 0..<2 {
      let trial = Trial<Float>(problem, plainOptions())
      try trial.optimizer.makePlan(
        trial.parameters, on: trial.batch, batchSize: problem.rowCount, valuesPerRow: 0)
      #expect(trial.parameters.doubles == problem.parameters)
      #expect(trial.optimizer.lastStep.norm == 0)
      plans.append(try #require(trial.optimizer.plan))
      let report = try trial.advance()
      #expect((report.solver?.method == SolverSummary.Method.cg) == (plans[0].best == .cg))
    }
    #expect(plans[0] == plans[1] && !plans[0].isMeasured)
    try expectAlike(plans[0])
  }

  @Test(arguments: [SolverOptions.Kind.auto, .cg])
  func `A step for users of the library plans once, and only where the solver is to be chosen`(
    kind: SolverOptions.Kind
  ) throws {
    let problem = ToyProblem(rows: 40, features: 30, classes: 20, largestMargin: 1, seed: 5)
    var options = plainOptions()
    options.solver.kind = kind
    let (trial, reference) = (Trial<Float>(problem, options), Trial<Float>(problem, options))
    if kind == .auto {
      try reference.optimizer.makePlan(
        reference.parameters, on: reference.batch, batchSize: problem.rowCount, valuesPerRow: 30)
    }
    func allreduces(_ trial: Trial<Float>, _ advance: () throws -> Void) throws -> Int {
      let before = trial.communicator.statistics
      try advance()
      return (trial.communicator.statistics - before).allreduces
    }
    for step in 0..<3 {
      let own = try allreduces(trial) { try trial.optimizer.advance(trial.parameters, on: trial.batch) }
      let expected = try allreduces(reference) { _ = try reference.advance() }
      #expect(trial.parameters.array == reference.parameters.array)
      #expect((trial.optimizer.plan != nil) == (kind == .auto))
      // The first step with a choice makes the plan.
      if kind == .cg || step > 0 { #expect(own == expected) }
    }
  }

  @Test func `A plan is measured where that is asked for, alike on all ranks`() throws {
    let problem = ToyProblem(rows: 40, features: 30, classes: 20, largestMargin: 1, seed: 5)
    var options = plainOptions()
    options.solver.kind = .measured
    let trial = Trial<Float>(problem, options)
    try trial.optimizer.measurePlan(trial.parameters, on: trial.batch)
    let plan = try #require(trial.optimizer.plan)
    #expect(trial.parameters.doubles == problem.parameters)
    #expect(trial.optimizer.lastStep.norm == 0)
    #expect(plan.isMeasured)
    try expectAlike(plan)
    let report = try trial.advance()
    #expect((report.solver?.method == SolverSummary.Method.cg) == (plan.best == .cg))
  }

  func expectAlike(_ plan: SolverPlan) throws {
    let figures = [plan.matrixFree, plan.iteration, plan.gram, plan.gramCG, plan.iterations]
    #expect(figures.dropFirst().allSatisfy { $0 > 0 })
    let communicator = World.communicator
    #expect(try communicator.allgather(figures) == (0..<communicator.size).flatMap { _ in figures })
  }
}
