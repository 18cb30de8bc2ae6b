// Passes over the classes of a row but its label, whose entry is not touched: the classes before it, and those behind.
extension UnsafeMutableBufferPointer where Element: BLASScalar {
  /// Σ t·(z_y − z) over the classes, z = self; a class of target 0 counts nothing, whatever its z.
  @inline(__always)
  package func gap(below label: Int, _ targets: TargetRow<Element>) -> Double {
    precondition(indices.contains(label), "the label is no class")
    let (z, next) = (baseAddress!, label + 1)
    return Element.targetGap(z, below: z[label], targets, label)
      + Element.targetGap(z + next, below: z[label], targets.dropFirst(next), count - next)
  }

  /// v ← π − t, where π = −complement·v before. Returns the sums over the classes.
  @inline(__always)
  package func assignResiduals(
    without label: Int, complement: Element, _ targets: TargetRow<Element>
  ) -> TargetSums {
    precondition(indices.contains(label), "the label is no class")
    let (v, next) = (baseAddress!, label + 1)
    var sums = TargetSums()
    Element.targetResiduals(v, complement: complement, targets, label, &sums)
    Element.targetResiduals(v + next, complement: complement, targets.dropFirst(next), count - next, &sums)
    return sums
  }

  /// self ← π = t − distance·v, but not below 0. Returns the sum over the classes.
  @inline(__always)
  package func assignProbabilities(
    without label: Int, of v: UnsafeMutableBufferPointer, distance: Element, _ targets: TargetRow<Element>
  ) -> Double {
    precondition(indices.contains(label) && count == v.count, "buffers differ in count")
    assert(isDisjoint(from: v), overlap)
    let (p, v, next) = (baseAddress!, v.baseAddress!, label + 1)
    return Element.targetProbabilities(v, distance: distance, targets, into: p, label)
      + Element.targetProbabilities(
        v + next, distance: distance, targets.dropFirst(next), into: p + next, count - next)
  }
}
