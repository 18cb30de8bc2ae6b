/// The quadratic model of the objective along Δ, and the exact term of weight decay in it.
struct StepModel {
  let objective: Quadratic
  /// (μ/2)(‖D(θ + τΔ)‖² − ‖Dθ‖²)
  let decay: Quadratic
  /// ‖Δ‖²
  let squaredStep: Double

  /// Adds the change of weight decay to a model of the loss along Δ.
  init(loss: Quadratic, _ change: StepChange) {
    objective = Quadratic(
      slope: loss.slope + change.decay.slope, curvature: loss.curvature + change.decay.curvature)
    decay = change.decay
    squaredStep = change.squaredStep
  }
}

/// A change along the step as a function of its length τ: τ·slope + ½τ²·curvature.
struct Quadratic {
  let slope, curvature: Double

  func callAsFunction(_ length: Double) -> Double { length * slope + length * length * curvature / 2 }
}

extension Quadratic: NumberCoded {
  var numbers: [Double] { slope.numbers + curvature.numbers }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    self.init(slope: Double(takingFrom: &numbers), curvature: Double(takingFrom: &numbers))
  }
}

extension StepModel: NumberCoded {
  var numbers: [Double] { objective.numbers + decay.numbers + squaredStep.numbers }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    objective = Quadratic(takingFrom: &numbers)
    decay = Quadratic(takingFrom: &numbers)
    squaredStep = Double(takingFrom: &numbers)
  }
}
