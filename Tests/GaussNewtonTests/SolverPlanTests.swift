import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@Suite(.serialized) struct SolverPlanTests {
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
    for _ in 0..<100 { plan.observe(iterations: 20) }
    #expect(abs(plan.iterations - 20) < 1e-3)
    #expect(plan.best == .gram)
  }

  @Test func `A matrix that does not fit, or costs more than any iterations, is not tried`() {
    let head = Network([Linear(inputs: 512, outputs: 1000)])
    #expect(SolverPlan.isCandidate(batchSize: 512, head))
    #expect(!SolverPlan.isCandidate(batchSize: 60000, head))
    #expect(!SolverPlan.isCandidate(batchSize: 4096, Network([Linear(inputs: 4, outputs: 3)])))
  }

  @Test func `A plan is measured without moving the parameters, alike on all ranks`() throws {
    let problem = ToyProblem(rows: 40, features: 30, classes: 20, largestMargin: 1, seed: 5)
    let trial = Trial<Float>(problem, plainOptions())
    try trial.optimizer.makePlan(
      trial.parameters, inputs: problem.inputs(trial.shard), labels: problem.labels(trial.shard),
      batchSize: problem.rowCount)
    let plan = try #require(trial.optimizer.plan)
    #expect(trial.parameters.doubles == problem.parameters)
    #expect(trial.optimizer.lastStep.norm == 0)
    let figures = [plan.matrixFree, plan.iteration, plan.gram, plan.gramCG, plan.iterations]
    #expect(figures.dropFirst().allSatisfy { $0 > 0 })
    #expect(try trial.communicator.allgather(figures) == (0..<trial.communicator.size).flatMap { _ in figures })
    let report = try trial.advance()
    #expect((report.solver?.method == SolverSummary.Method.cg) == (plan.best == .cg))
  }
}
