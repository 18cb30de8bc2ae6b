/// The events of checkpoints.
extension MetricsEvent {
  package struct Checkpoint: Encodable {
    let event = "checkpoint"
    var step: Int
    var path: String
    var seconds: Double
  }

  /// A checkpoint that has been copied.
  package struct MirroredCheckpoint: Encodable {
    let event = "mirror"
    var step: Int
    var path: String
    var seconds: Double
  }

  /// The choice of an automatic interval between checkpoints.
  package struct SaveInterval: Encodable {
    let event = "save_interval"
    let step: Int
    /// All in seconds.
    let interval, cost, writing, meanTime, observed: Double
    let failures: Int

    init(_ plan: SavePlan, step: Int) {
      self.step = step
      (interval, cost, writing) = (plan.interval, plan.cost, plan.writing)
      (meanTime, observed) = (plan.failures.meanTime, plan.failures.seconds)
      failures = plan.failures.count
    }

    enum CodingKeys: String, CodingKey {
      case event, step, interval, cost, writing, observed, failures
      case meanTime = "mean_time_between_failures"
    }
  }
}
