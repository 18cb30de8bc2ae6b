import GaussNewton

/// What a run says of its steps and of its end.
extension Trainer {
  /// Records the times of all ranks since the last such event. Collective.
  func recordRanks(epoch: Int) throws {
    if let times = try clock.gather() { coordinator.record(times, step: step, epoch: epoch) }
  }

  /// Records the end of the run, with its times. Collective.
  func end(_ reason: String, epoch: Int) throws {
    try recordRanks(epoch: epoch)
    if let summary = clock.summary { coordinator.say("ranks", summary) }
    coordinator.warnOfRejectedSteps(step: step)
    let optimizer = optimizer as? FastGaussNewton<Scalar>
    let times = optimizer?.solveTimes
    let plan = optimizer?.plan
    let planned = plan.flatMap { plan in plan.isMeasured ? times?.kind.map(plan.seconds) : nil }
    if plan != nil, let times, let kind = times.kind {
      let took = "took \((1000 * times.seconds).short) ms"
      let text = planned.map { "expected to take \((1000 * $0).short) ms a step, \(took)" } ?? "\(took) a step"
      coordinator.say("solver", "\(kind.rawValue), \(text)")
    }
    coordinator.record(
      MetricsEvent.End(
        step: step, reason: reason, seconds: elapsed, peakMemory: peakMemory(),
        plannedSolve: planned, solve: plan == nil || times?.kind == nil ? nil : times?.seconds))
    coordinator.flush()
  }

  func progressLine(_ report: StepReport, epoch: Int, secondsPerStep: Double) -> String {
    let epochs = (totalSteps + sampler.batchesPerEpoch - 1) / sampler.batchesPerEpoch
    let left = Duration.seconds(Double(totalSteps - step) * secondsPerStep)
    return "epoch \(epoch + 1)/\(epochs)  step \(step)/\(totalSteps)  loss \(report.loss.short)"
      + (report.damping.map { "  λ \($0.short)" } ?? "") + (report.solver.map { "  solver \($0.iterations)" } ?? "")
      + "  \((1 / secondsPerStep).short) steps/s"
      + (step == totalSteps ? "" : "  \(left.readable) left")
  }
}
