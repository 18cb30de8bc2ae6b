// Passes over the classes of a row but its label, whose entry is not touched: the classes before it, and those behind.
// A part of the classes may be without the label.
extension UnsafeMutableBufferPointer where Element: BLASScalar {
  /// Σ t·(z_y − z) over the classes, z = self; a class of target 0 counts nothing, whatever its z.
  @inline(__always)
  package func gap(below label: Int, _ targets: TargetRow<Element>) -> Double {
    gap(below: self[label], without: label, targets)
  }

  /// Σ t·(z_y − z) as above, given z_y, over classes of which the label may be none.
  @inline(__always)
  package func gap(below trueLogit: Element, without label: Int?, _ targets: TargetRow<Element>) -> Double {
    if isEmpty { return 0 }
    let (z, (end, next)) = (baseAddress!, ends(around: label))
    return Element.targetGap(z, below: trueLogit, targets, end)
      + Element.targetGap(z + next, below: trueLogit, targets.dropFirst(next), count - next)
  }

  /// Where the classes before the label end, and those behind it begin.
  @inline(__always)
  private func ends(around label: Int?) -> (Int, Int) {
    guard let label else { return (count, count) }
    precondition(indices.contains(label), "the label is no class")
    return (label, label + 1)
  }

  /// v ← π − t, where π = −complement·v before. Returns the sums over the classes.
  @inline(__always)
  package func assignResiduals(
    without label: Int?, complement: Element, _ targets: TargetRow<Element>
  ) -> TargetSums {
    var sums = TargetSums()
    if isEmpty { return sums }
    let (v, (end, next)) = (baseAddress!, ends(around: label))
    Element.targetResiduals(v, complement: complement, targets, end, &sums)
    Element.targetResiduals(v + next, complement: complement, targets.dropFirst(next), count - next, &sums)
    return sums
  }

  /// self ← π = t − distance·v, but not below 0. Returns the sum over the classes.
  @inline(__always)
  package func assignProbabilities(
    without label: Int?, of v: UnsafeMutableBufferPointer, distance: Element, _ targets: TargetRow<Element>
  ) -> Double {
    precondition(count == v.count, "buffers differ in count")
    assert(isDisjoint(from: v), overlap)
    if isEmpty { return 0 }
    let (p, v, (end, next)) = (baseAddress!, v.baseAddress!, ends(around: label))
    return Element.targetProbabilities(v, distance: distance, targets, into: p, end)
      + Element.targetProbabilities(
        v + next, distance: distance, targets.dropFirst(next), into: p + next, count - next)
  }
}
